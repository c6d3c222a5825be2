#include <fmt/format.h>

#include <charconv>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "sim/error.h"
#include "sim/io/file_kind.h"
#include "sim/io/json.h"
#include "workloads/routing/importers/safetensors.h"
#include "workloads/routing/importers/said_shape.h"
#include "workloads/routing/trace/trace_writer.h"

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
  if (!sim::io::is_there(file)) return;
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

// The tensors of all files with the counts of one iteration and layer.
struct Place {
  std::size_t file = 0;
  const SafeTensor* tensor = nullptr;
};
using Recording = std::map<std::int64_t, std::map<std::int64_t, std::vector<Place>>>;

// Adds up what the files counted.
std::vector<std::uint32_t> sum_of(const std::vector<Place>& places,
                                  std::span<const std::unique_ptr<SafeTensorsFile>> files,
                                  const Files& names, std::uint32_t experts) {
  std::vector<std::int64_t> sum(experts);
  for (const Place& place : places) {
    const auto counts = files[place.file]->integers(*place.tensor);
    const std::string where = fmt::format("{}: {}", names[place.file].string(), place.tensor->name);
    if (counts.size() != experts) {
      throw sim::InputError(
          fmt::format("{}: counts {} experts, but there are {}", where, counts.size(), experts));
    }
    for (std::size_t e = 0; e < counts.size(); ++e) {
      if (counts[e] < 0)
        throw sim::InputError(fmt::format("{}: expert {}: {} is no count", where, e, counts[e]));
      if (counts[e] > 0xFFFFFFFF - sum[e])
        throw sim::InputError(fmt::format("{}: expert {}: the counts are too large", where, e));
      sum[e] += counts[e];
    }
  }
  return {sum.begin(), sum.end()};
}

}  // namespace

ImportSummary import_tensorrt_llm(const Files& files, const std::filesystem::path& out,
                                  const ImportOptions& given) {
  ImportOptions options = given;
  ImportSummary summary;
  std::vector<std::unique_ptr<SafeTensorsFile>> opened;
  Recording recording;
  std::set<std::int64_t> layer_set;
  for (std::size_t f = 0; f < files.size(); ++f) {
    read_meta(files[f].parent_path(), options);
    opened.push_back(std::make_unique<SafeTensorsFile>(files[f]));
    for (const SafeTensor& tensor : opened[f]->tensors()) {
      Key key;
      if (!parse_key(tensor.name, key) || tensor.shape.size() != 1) {
        ++summary.skipped;
        continue;
      }
      if (options.experts == 0)
        options.experts =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(tensor.shape[0], kMostExperts));
      recording[key.iteration][key.layer].push_back({f, &tensor});
      layer_set.insert(key.layer);
      ++summary.records;
    }
  }
  if (recording.empty())
    throw sim::InputError("the recording has no counts named \"iteration_layer\"");
  if (options.top_k == 0)
    throw sim::ConfigError(
        "the recording does not say how many experts a token chooses: give --top-k");
  if (options.experts == 0) throw sim::InputError("the recording counts no experts");
  std::vector<std::int64_t> layers(layer_set.begin(), layer_set.end());
  check_named_layers(files.front().string(), layers, given);
  if (!options.keep.empty()) layers.assign(options.keep.begin(), options.keep.end());
  const TraceHeader header{.layers = static_cast<std::uint32_t>(layers.size()),
                           .experts = options.experts,
                           .top_k = options.top_k,
                           .model = options.model,
                           .source = "tensorrt-llm",
                           .layer_ids = layers};
  CountWriter writer(out, header);
  for (const auto& [iteration, by_layer] : recording) {
    std::vector<std::uint32_t> step;
    for (const std::int64_t layer : layers) {
      const auto found = by_layer.find(layer);
      if (found == by_layer.end()) {
        throw sim::InputError(
            fmt::format("iteration {} has no counts of layer {}", iteration, layer));
      }
      const auto counts = sum_of(found->second, opened, files, options.experts);
      step.insert(step.end(), counts.begin(), counts.end());
    }
    writer.append(step);
    add_tokens(step, header, fmt::format("iteration {}", iteration), summary);
  }
  check_tokens(summary, files);
  writer.close();
  return summary;
}

}  // namespace moesim::workloads
