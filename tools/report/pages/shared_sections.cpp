#include "tools/report/pages/shared_sections.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/report/number_text.h"

namespace moesim::tools {

using sim::io::Json;

Figure memory_figure(const Json& report) {
  const Json& memory = report.at("memory");
  const double capacity = memory.at("capacity_bytes"), peak = memory.at("peak_bytes");
  Bars chart{.unit = "GB of the fullest GPU",
             .categories = {"memory"},
             .series = {},
             .stacked = true,
             .limit = Figured{capacity * 1e-9, bytes_text(capacity)}};
  Table table{{"part", "bytes", "of the memory"}, {}};
  const auto row = [&](const char* name, double bytes) {
    table.rows.push_back({name, bytes_text(bytes), percent_text(bytes / capacity)});
  };
  for (const auto& [name, key] : {std::pair{"weights", "weights_bytes"},
                                  {"cache", "kv_cache_bytes"},
                                  {"activations", "activations_bytes"},
                                  {"buffers", "buffers_bytes"},
                                  {"context", "context_bytes"}}) {
    const double bytes = memory.at(key);
    chart.series.push_back({name, {{bytes * 1e-9, bytes_text(bytes)}}});
    row(name, bytes);
  }
  row("peak", peak);
  row("free", capacity - peak);
  return {.title = "Memory by part",
          .sentence = fmt::format("{} of {} on the fullest GPU: it {}.", bytes_text(peak),
                                  bytes_text(capacity),
                                  memory.at("fits").get<bool>() ? "fits" : "does not fit"),
          .chart = std::move(chart),
          .table = std::move(table)};
}

std::optional<Section> energy_section(const Json& report) {
  const auto found = report.find("energy");
  if (found == report.end()) return {};
  const Json& energy = *found;
  const double gpu = energy.at("gpu_j_per_token"), total = energy.at("total_j_per_token");
  const std::string tokens = energy.at("tokens"), doubt = percent_text(energy.at("error"));
  Table table{{"what", "value"},
              {{"a card draws", fmt::format("{:.0f} W", energy.at("gpu_w").get<double>())},
               {fmt::format("cards, per {} token", tokens), fmt::format("{:.3g} J", gpu)}}};
  if (total > gpu) {
    table.rows.push_back({"all, with hosts and cooling",
                          fmt::format("{:.1f} kW", energy.at("total_w").get<double>() / 1e3)});
    table.rows.push_back(
        {fmt::format("all, per {} token", tokens), fmt::format("{:.3g} J", total)});
  }
  Section section{.title = "Energy"};
  section.figures.push_back(
      {.title = "Power and energy",
       .sentence = fmt::format("{:.3g} J per {} token, within {}.", total, tokens, doubt),
       .table = std::move(table)});
  section.text.push_back(fmt::format("Power by use: {}, {}.",
                                     energy.at("origin").get<std::string>(),
                                     energy.at("source").get<std::string>()));
  for (const Json& what : energy.at("stand_ins")) section.text.push_back(what);
  return section;
}

Section trust_section(const Json& report) {
  const Json& extrapolated = report.at("extrapolated");
  Section section{.title = "Trust"};
  Table reasons{{"what", "of the step"}, {}};
  for (const Json& reason : extrapolated.at("reasons"))
    reasons.rows.push_back({reason.at("what"), percent_text(reason.at("share"))});
  const double share = extrapolated.at("share");
  section.figures.push_back(
      {.title = "Outside what was measured",
       .sentence = reasons.rows.empty()
                       ? "All of the step lies within what its cost models were fitted on."
                       : fmt::format("{} of the step lies outside what its cost models were fitted "
                                     "on.",
                                     percent_text(share)),
       .table = std::move(reasons)});
  Table sources{{"origin", "source"}, {}};
  for (const Json& one : report.at("provenance"))
    sources.rows.push_back({one.at("origin"), one.at("source")});
  section.figures.push_back({.title = "Where its numbers come from",
                             .sentence = "Each cost model with its source.",
                             .table = std::move(sources)});
  return section;
}

Section made_from_section(const Json& report) {
  Section section{.title = "Made from"};
  for (const char* list : {"defaults", "notes"}) {
    for (const Json& text : report.at(list)) section.text.push_back(text);
  }
  const Json& manifest = report.at("manifest");
  section.text.push_back(fmt::format(
      "moesim {}, seed {}: {}", manifest.at("version").get<std::string>(),
      manifest.at("seed").get<std::uint64_t>(), manifest.at("command").get<std::string>()));
  Table inputs{{"file", "XXH64 of its contents"}, {}};
  for (const Json& input : manifest.at("inputs"))
    inputs.rows.push_back({input.at("path"), input.at("xxh64")});
  section.figures.push_back({.title = "Files",
                             .sentence = "The same files and seed give the same report, to the "
                                         "byte.",
                             .table = std::move(inputs)});
  return section;
}

}  // namespace moesim::tools
