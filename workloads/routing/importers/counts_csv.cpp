#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "sim/io/json.h"
#include "workloads/routing/importers/said_shape.h"
#include "workloads/routing/trace/trace_writer.h"

namespace moesim::workloads {

namespace {

using Json = sim::io::Json;

// The first of the columns that is there: SGLang's older recorder writes layer_id, expert_id.
std::size_t column_of(const sim::io::CsvTable& csv, const char* name, const char* other) {
  const auto found = csv.find_column(other);
  return csv.find_column(name) || !found ? csv.column(name) : *found;
}

bool is_json(const std::filesystem::path& file, std::string_view text) {
  const std::string extension = file.extension().string();
  if (extension == ".json" || extension == ".jsonl") return true;
  const std::size_t at = text.find_first_not_of(" \n\r\t");
  return at != std::string_view::npos && (text[at] == '{' || text[at] == '[');
}

// [layers][experts] or [steps][layers][experts], as SGLang's recorder keeps it under logical_count.
template <class Add>
void read_logical_count(const Json& json, const std::string& name, const ImportOptions& options,
                        const Add& add) {
  const auto fail = [&](const std::string& what) {
    throw sim::InputError(fmt::format("{}: {}", name, what));
  };
  if (!json.is_object() || !json.contains("logical_count") || !json["logical_count"].is_array()) {
    fail("no list \"logical_count\" of layers and experts; is this of SGLang's recorder?");
  }
  const Json& list = json["logical_count"];
  const bool steps =
      !list.empty() && list[0].is_array() && !list[0].empty() && list[0][0].is_array();
  const Json one = Json::array({list});
  const Json& all = steps ? list : one;
  std::size_t experts = 0;
  for (std::size_t s = 0; s < all.size(); ++s) {
    if (!all[s].is_array()) fail(fmt::format("logical_count: step {} is no list", s));
    check_said_layers(name, all[s].size(), options);
    for (std::size_t l = 0; l < all[s].size(); ++l) {
      const Json& row = all[s][l];
      if (!row.is_array() || row.empty())
        fail(fmt::format("logical_count: layer {} is no list", l));
      if (experts == 0) experts = row.size();
      if (row.size() != experts) {
        fail(fmt::format("logical_count: layer {} has {} experts, those before {}", l, row.size(),
                         experts));
      }
      check_said_experts(name, experts, options);
      for (std::size_t e = 0; e < row.size(); ++e) {
        if (!row[e].is_number() || !(row[e].get<double>() >= 0) ||
            row[e].get<double>() > 0xFFFFFFFFp0 ||
            row[e].get<double>() != std::floor(row[e].get<double>())) {
          fail(fmt::format("logical_count: layer {}, expert {}: expected a count", l, e));
        }
        add(s, l, e, static_cast<std::int64_t>(row[e].get<double>()));
      }
    }
  }
}

}  // namespace

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
    std::string text = sim::io::read_text(file);  // once: it may be a pipe
    if (is_json(file, text)) {
      std::int64_t last = first_step;
      read_logical_count(
          sim::io::parse_json(text, file.string()), file.string(), options,
          [&](std::size_t s, std::size_t l, std::size_t e, std::int64_t n) {
            const std::int64_t most = options.experts > 0 ? options.experts : kMostExperts;
            if (static_cast<std::int64_t>(e) >= most || l > 100'000 || s > 1'000'000) {
              throw sim::InputError(
                  fmt::format("{}: logical_count: expert {} of layer {}: there are {} experts",
                              file.string(), e, l, most));
            }
            last = first_step + static_cast<std::int64_t>(s);
            table[last][static_cast<std::int64_t>(l)][static_cast<std::int64_t>(e)] = n;
            layer_set[static_cast<std::int64_t>(l)] = true;
            most_expert = std::max(most_expert, static_cast<std::int64_t>(e));
            ++summary.records;
          });
      first_step = last + 1;
      continue;
    }
    const auto csv = sim::io::CsvTable::parse(std::move(text), file.string());
    const std::size_t layer = column_of(csv, "layer", "layer_id"),
                      expert = column_of(csv, "expert", "expert_id"), count = csv.column("count");
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
  const std::string name = files.front().string();
  std::vector<std::int64_t> layer_numbers;
  for (const auto& [l, used] : layer_set) layer_numbers.push_back(l);
  check_named_layers(name, layer_numbers, options);
  CountTrace trace{.header = {.layers = 0,
                              .experts = experts,
                              .top_k = options.top_k,
                              .model = options.model,
                              .source = "counts"},
                   .counts = {}};
  if (options.keep.empty()) {
    trace.header.layer_ids = std::move(layer_numbers);
  } else {
    for (const std::uint32_t l : options.keep) trace.header.layer_ids.push_back(l);
  }
  trace.header.layers = static_cast<std::uint32_t>(trace.header.layer_ids.size());
  for (const auto& [s, layers] : table) {
    const std::size_t of_step = trace.counts.size();
    for (const std::int64_t l : trace.header.layer_ids) {
      const std::size_t begin = trace.counts.size();
      trace.counts.resize(begin + experts);
      if (const auto found = layers.find(l); found != layers.end()) {
        for (const auto& [e, n] : found->second)
          trace.counts[begin + static_cast<std::size_t>(e)] = static_cast<std::uint32_t>(n);
      }
    }
    add_tokens(std::span(trace.counts).subspan(of_step), trace.header,
               fmt::format("{}: step {}", name, s), summary);
    if (domain_of.empty()) continue;
    const std::string& domain = domain_of[s];
    auto& names = trace.header.domains;
    const auto found = std::find(names.begin(), names.end(), domain);
    trace.step_domains.push_back(static_cast<std::uint32_t>(found - names.begin()));
    if (found == names.end()) names.push_back(domain);
  }
  check_tokens(summary, files);
  write_counts(out, trace);
  return summary;
}

}  // namespace moesim::workloads
