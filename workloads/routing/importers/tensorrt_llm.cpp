#include <fmt/format.h>

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/error.h"
#include "sim/io/json.h"
#include "workloads/routing/importers/importers.h"
#include "workloads/routing/importers/safetensors.h"
#include "workloads/routing/trace_writer.h"

namespace moesim::workloads {
namespace {

struct Key {
  std::int64_t iteration = 0, layer = 0;
  auto operator<=>(const Key&) const = default;
};

// "12_3": iteration 12, layer 3.
bool parse_key(const std::string& name, Key& key) {
  const char* end = name.data() + name.size();
  auto [at, error] = std::from_chars(name.data(), end, key.iteration);
  if (error != std::errc{} || at == end || *at != '_') return false;
  auto [last, again] = std::from_chars(at + 1, end, key.layer);
  return again == std::errc{} && last == end && key.iteration >= 0 && key.layer >= 0;
}

// experts and top_k of meta_info.json, where it is there and the options do not say.
void read_meta(const std::filesystem::path& folder, ImportOptions& options) {
  const auto file = folder / "meta_info.json";
  if (!std::filesystem::exists(file)) return;
  const auto meta = sim::io::read_json(file);
  const auto take = [&](const char* key, std::uint32_t& value) {
    if (value != 0 || !meta.is_object() || !meta.contains(key)) return;
    const auto& found = meta[key];
    if (!found.is_number_unsigned() || found.get<std::uint64_t>() > kMostExperts ||
        found.get<std::uint64_t>() == 0) {
      throw sim::InputError(
          fmt::format("{}: {}: expected a number from 1 to {}", file.string(), key, kMostExperts));
    }
    value = found.get<std::uint32_t>();
  };
  take("num_experts", options.experts);
  take("num_experts_per_token", options.top_k);
}

}  // namespace

ImportSummary import_tensorrt_llm(const Files& files, const std::filesystem::path& out,
                                  const ImportOptions& given) {
  ImportOptions options = given;
  ImportSummary summary;
  std::map<Key, std::vector<std::int64_t>> sums;
  for (const auto& file : files) {
    read_meta(file.parent_path(), options);
    SafeTensorsFile tensors(file);
    for (const SafeTensor& tensor : tensors.tensors()) {
      Key key;
      if (!parse_key(tensor.name, key) || tensor.shape.size() != 1) {
        ++summary.skipped;
        continue;
      }
      const auto counts = tensors.integers(tensor);
      if (options.experts == 0)
        options.experts =
            static_cast<std::uint32_t>(std::min<std::size_t>(counts.size(), kMostExperts));
      const std::string where = fmt::format("{}: {}", file.string(), tensor.name);
      if (counts.size() != options.experts) {
        throw sim::InputError(fmt::format("{}: counts {} experts, but there are {}", where,
                                          counts.size(), options.experts));
      }
      auto& sum = sums[key];
      sum.resize(counts.size());
      for (std::size_t e = 0; e < counts.size(); ++e) {
        if (counts[e] < 0)
          throw sim::InputError(fmt::format("{}: expert {}: {} is no count", where, e, counts[e]));
        sum[e] += counts[e];
        if (sum[e] > 0xFFFFFFFF)
          throw sim::InputError(fmt::format("{}: expert {}: the counts are too large", where, e));
      }
      ++summary.records;
    }
  }
  if (sums.empty()) throw sim::InputError("the recording has no counts named \"iteration_layer\"");
  if (options.top_k == 0)
    throw sim::ConfigError(
        "the recording does not say how many experts a token chooses: give --top-k");
  std::set<std::int64_t> iterations, layer_set;
  for (const auto& [key, counts] : sums) {
    iterations.insert(key.iteration);
    layer_set.insert(key.layer);
  }
  std::vector<std::int64_t> layers(layer_set.begin(), layer_set.end());
  if (!options.keep.empty()) {
    layers.clear();
    for (const std::uint32_t layer : options.keep) layers.push_back(layer);
  }
  CountTrace trace{.header = {.layers = static_cast<std::uint32_t>(layers.size()),
                              .experts = options.experts,
                              .top_k = options.top_k,
                              .model = options.model,
                              .source = "tensorrt-llm",
                              .layer_ids = layers},
                   .counts = {}};
  for (const std::int64_t iteration : iterations) {
    for (const std::int64_t layer : layers) {
      const auto found = sums.find({iteration, layer});
      if (found == sums.end()) {
        throw sim::InputError(
            fmt::format("iteration {} has no counts of layer {}", iteration, layer));
      }
      for (const std::int64_t count : found->second)
        trace.counts.push_back(static_cast<std::uint32_t>(count));
    }
    std::uint64_t selections = 0;
    for (const std::int64_t count : sums.at({iteration, layers.front()}))
      selections += static_cast<std::uint64_t>(count);
    summary.tokens += selections / options.top_k;
  }
  write_counts(out, trace);
  return summary;
}

}  // namespace moesim::workloads
