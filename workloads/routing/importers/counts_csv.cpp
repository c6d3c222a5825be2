#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "workloads/routing/importers/importers.h"
#include "workloads/routing/trace/trace_writer.h"

namespace moesim::workloads {

ImportSummary import_counts(const Files& files, const std::filesystem::path& out,
                            const ImportOptions& options) {
  if (options.top_k == 0)
    throw sim::ConfigError("counts do not say how many experts a token chooses: give --top-k");
  ImportSummary summary;
  // [step][layer][expert]; steps of one file follow those of the file before.
  std::map<std::int64_t, std::map<std::int64_t, std::map<std::int64_t, std::int64_t>>> table;
  std::map<std::int64_t, std::string> domain_of;
  std::map<std::int64_t, bool> layer_set;
  std::int64_t first_step = 0, most_expert = -1;
  for (const auto& file : files) {
    const auto csv = sim::io::CsvTable::read(file);
    const std::size_t layer = csv.column("layer"), expert = csv.column("expert"),
                      count = csv.column("count");
    const auto step = csv.find_column("step"), domain = csv.find_column("domain");
    std::int64_t last_step = first_step;
    for (std::size_t row = 0; row < csv.rows(); ++row) {
      const auto whole = [&](std::size_t column, const char* name, std::int64_t most) {
        const std::int64_t value = csv.integer(row, column);
        if (value < 0 || value > most) {
          throw sim::InputError(
              fmt::format("{}: {}: expected 0 to {}, not {}", csv.where(row), name, most, value));
        }
        return value;
      };
      const std::int64_t s = first_step + (step ? whole(*step, "step", 1'000'000) : 0);
      const std::int64_t l = whole(layer, "layer", 100'000);
      const std::int64_t e =
          whole(expert, "expert", options.experts > 0 ? options.experts - 1 : kMostExperts - 1);
      auto& cell = table[s][l][e];
      cell += whole(count, "count", 0xFFFFFFFF);
      if (cell > 0xFFFFFFFF)
        throw sim::InputError(fmt::format("{}: count: the sum is too large", csv.where(row)));
      layer_set[l] = true;
      most_expert = std::max(most_expert, e);
      last_step = std::max(last_step, s);
      if (domain) {
        const std::string name(csv.text(row, *domain));
        const auto [known, fresh] = domain_of.emplace(s, name);
        if (!fresh && known->second != name) {
          throw sim::InputError(fmt::format("{}: domain: step {} is \"{}\" before, now \"{}\"",
                                            csv.where(row), s - first_step, known->second, name));
        }
      }
      ++summary.records;
    }
    first_step = last_step + 1;
  }
  if (table.empty()) throw sim::InputError("the recording has no counts");
  const std::uint32_t experts =
      options.experts > 0 ? options.experts : static_cast<std::uint32_t>(most_expert + 1);
  if (options.top_k > experts) {
    throw sim::ConfigError(fmt::format("--top-k: {} of {} experts", options.top_k, experts));
  }
  CountTrace trace{.header = {.layers = 0,
                              .experts = experts,
                              .top_k = options.top_k,
                              .model = options.model,
                              .source = "counts"},
                   .counts = {}};
  if (options.keep.empty()) {
    for (const auto& [l, used] : layer_set) trace.header.layer_ids.push_back(l);
  } else {
    for (const std::uint32_t l : options.keep) trace.header.layer_ids.push_back(l);
  }
  trace.header.layers = static_cast<std::uint32_t>(trace.header.layer_ids.size());
  for (const auto& [s, layers] : table) {
    std::uint64_t first_layer = 0;
    for (const std::int64_t l : trace.header.layer_ids) {
      const std::size_t begin = trace.counts.size();
      trace.counts.resize(begin + experts);
      if (const auto found = layers.find(l); found != layers.end()) {
        for (const auto& [e, n] : found->second)
          trace.counts[begin + static_cast<std::size_t>(e)] = static_cast<std::uint32_t>(n);
      }
      for (std::size_t e = begin; e < begin + experts && l == trace.header.layer_ids[0]; ++e)
        first_layer += trace.counts[e];
    }
    summary.tokens += first_layer / options.top_k;
    if (domain_of.empty()) continue;
    const std::string& name = domain_of[s];
    auto& names = trace.header.domains;
    const auto found = std::find(names.begin(), names.end(), name);
    trace.step_domains.push_back(static_cast<std::uint32_t>(found - names.begin()));
    if (found == names.end()) names.push_back(name);
  }
  write_counts(out, trace);
  return summary;
}

}  // namespace moesim::workloads
