// What a routing trace holds.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tools/report/number_text.h"
#include "tools/report/page_kinds.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

std::string three(const Json& value) {
  return value.is_null() ? "-" : fmt::format("{:.3f}", value.get<double>());
}

std::string count(const Json& value) {
  return count_text(value.get<double>());
}

Figure by_layer(const Json& trace) {
  Lines chart{.x = {.name = "layer", .whole = true},
              .y = {.name = "busiest expert over the mean"},
              .series = {{"max/mean", {}}}};
  Table table{
      {"layer", "max/mean", "entropy", "gini", "dead", "starved", "repeat", "chance", "link"}, {}};
  for (const Json& layer : trace.at("per_layer")) {
    const std::int64_t id = layer.at("layer");
    const double ratio = layer.at("max_over_mean");
    chart.series[0].points.push_back(
        {static_cast<double>(id), ratio, fmt::format("layer {}: {}", id, factor_text(ratio))});
    table.rows.push_back({std::to_string(id), factor_text(ratio),
                          three(layer.at("normalised_entropy")), three(layer.at("gini")),
                          count(layer.at("dead_experts")), count(layer.at("starved_experts")),
                          three(layer.at("repeat_rate")), three(layer.at("chance_rate")),
                          three(layer.at("link_to_next"))});
  }
  return {
      .title = "Load by layer",
      .sentence = fmt::format("The busiest expert takes {} x the mean, the mean of {} layers.",
                              factor_text(trace.at("max_over_mean")), count(trace.at("layers"))),
      .chart = std::move(chart),
      .table = std::move(table)};
}

Figure drift(const Json& trace) {
  Lines chart{.x = {.name = "window", .whole = true},
              .y = {.name = "distance (Jensen-Shannon)"},
              .series = {{"from the first", {}}, {"from the one before", {}}}};
  Table table{{"window", "from", "tokens", "max/mean", "from the first", "from the one before"},
              {}};
  double window = 0;
  for (const Json& one : trace.at("windows")) {
    const double first = one.at("distance_from_first"), before = one.at("distance_from_previous");
    if (window > 0) {
      chart.series[0].points.push_back({window, first, three(first)});
      chart.series[1].points.push_back({window, before, three(before)});
    }
    table.rows.push_back({count_text(window), count(one.at("first")), count(one.at("tokens")),
                          factor_text(one.at("max_over_mean")), three(first), three(before)});
    ++window;
  }
  return {.title = "Over time",
          .sentence =
              "How far the loads of a window lie from those of the first and of the one "
              "before: 0 is the same, 1 nothing in common.",
          .chart = std::move(chart),
          .table = std::move(table)};
}

Figure coverage(const Json& trace) {
  Lines chart{.x = {.name = "tokens", .log = true},
              .y = {.name = "experts"},
              .series = {{"random tokens", {}}, {"consecutive tokens", {}}}};
  Table table{{"tokens", "random tokens", "consecutive tokens"}, {}};
  for (const Json& point : trace.at("coverage")) {
    const double batch = point.at("batch"), random = point.at("distinct_experts_random");
    const Json consecutive = point.value("distinct_experts_consecutive", Json());
    const auto text = [&](double experts) {
      return fmt::format("{} tokens: {:.1f} experts", count_text(batch), experts);
    };
    chart.series[0].points.push_back({batch, random, text(random)});
    if (!consecutive.is_null())
      chart.series[1].points.push_back({batch, consecutive, text(consecutive)});
    table.rows.push_back(
        {count_text(batch), fmt::format("{:.1f}", random),
         consecutive.is_null() ? "-" : fmt::format("{:.1f}", consecutive.get<double>())});
  }
  if (chart.series[1].points.empty()) chart.series.pop_back();
  return {.title = "Experts that a batch needs",
          .sentence = "Distinct experts of a layer that so many tokens choose, mean of the layers.",
          .chart = std::move(chart),
          .table = std::move(table)};
}

Figure together(const Json& trace) {
  Table table{{"layer", "experts", "tokens", "times chance"}, {}};
  for (const Json& layer : trace.at("per_layer")) {
    for (const Json& pair : layer.at("top_pairs")) {
      if (table.rows.size() >= kMostTableRows) break;
      table.rows.push_back({count(layer.at("layer")),
                            fmt::format("{} and {}", pair.at("a").get<std::int64_t>(),
                                        pair.at("b").get<std::int64_t>()),
                            count(pair.at("count")), factor_text(pair.at("lift"))});
    }
  }
  return {.title = "Chosen together",
          .sentence =
              "The pairs of experts that most tokens of the sample choose both, and how "
              "often against what their two loads alone would give.",
          .table = std::move(table)};
}

Figure domains(const Json& trace) {
  const Json& all = trace.at("domains");
  Bars chart{
      .unit = "busiest expert over the mean", .categories = {}, .series = {{"max/mean", {}}}};
  Table table{{"domain", "tokens", "max/mean"}, {}};
  for (const Json& domain : all) {
    const double ratio = domain.at("max_over_mean");
    chart.categories.push_back(domain.at("name"));
    chart.series[0].values.push_back({ratio, factor_text(ratio)});
    table.rows.push_back({domain.at("name"), count(domain.at("tokens")), factor_text(ratio)});
  }
  const Json& distance = trace.at("domain_distance");
  return {.title = "By domain",
          .sentence = fmt::format("Two domains' loads lie {} apart (Jensen-Shannon, 0 to 1), {} "
                                  "with the domains dealt at random.",
                                  three(distance.at("js")), three(distance.at("js_shuffled"))),
          .chart = std::move(chart),
          .table = std::move(table)};
}

}  // namespace

Page routing_page(const Json& trace) {
  const std::string file =
      std::filesystem::path(trace.at("file").get<std::string>()).filename().string();
  Page page{.kind = "routing",
            .title = file,
            .what = fmt::format("{}: {} tokens, {} layers, top-{} of {} experts",
                                trace.at("model").get<std::string>().empty()
                                    ? "model not given"
                                    : trace.at("model").get<std::string>(),
                                count(trace.at("tokens")), count(trace.at("layers")),
                                count(trace.at("top_k")), count(trace.at("num_experts"))),
            .answer = fmt::format("The busiest expert of a layer takes {} x the mean",
                                  factor_text(trace.at("max_over_mean")))};
  page.answer += trace.at("dead_experts") == 0
                     ? "; every expert is used."
                     : fmt::format("; {} experts of all layers are never used.",
                                   count(trace.at("dead_experts")));
  if (!trace.at("repeat_rate").is_null()) {
    page.answer += fmt::format(
        " A token shares {} of its experts with the one before it, {} with a random one.",
        percent_text(trace.at("repeat_rate")), percent_text(trace.at("chance_rate")));
  }
  if (const double missing = trace.at("missing"); missing > 0) {
    const double all = trace.at("selections");
    page.warnings.push_back(
        fmt::format("{} of {} selections ({:.3g} %) are missing: what follows is "
                    "of the others.",
                    missing, all, 100 * missing / all));
  }
  Section loads{.title = "Load", .figures = {by_layer(trace)}};
  if (const std::string source = trace.at("source"); !source.empty())
    loads.text.push_back("Source: " + source);
  if (!trace.at("domains").empty()) loads.figures.push_back(domains(trace));
  page.sections.push_back(std::move(loads));
  Section choices{.title = "Choices", .figures = {coverage(trace)}};
  if (Figure pairs = together(trace); !pairs.table->rows.empty())
    choices.figures.push_back(std::move(pairs));
  page.sections.push_back(std::move(choices));
  if (trace.at("windows").size() > 1)
    page.sections.push_back({.title = "Time", .figures = {drift(trace)}});
  return page;
}

}  // namespace moesim::tools
