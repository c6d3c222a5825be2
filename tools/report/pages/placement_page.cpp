// Expert placements side by side.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/report/number_text.h"
#include "tools/report/page_kinds.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

std::string name_of(const Json& placement) {
  const std::int64_t redundant = placement.at("redundant");
  const std::string name = placement.at("name");
  return redundant > 0 ? fmt::format("{} +{}", name, redundant) : name;
}

// A bar a placement, of one value or two.
struct Column {
  const char* name;
  const char* key;
};
Bars bars_of(const Json& placements, std::string unit, double scale, std::string (*text)(double),
             std::initializer_list<Column> columns) {
  Bars chart{.unit = std::move(unit), .categories = {}, .series = {}};
  for (const Json& one : placements) chart.categories.push_back(name_of(one));
  for (const Column& column : columns) {
    Bars::Series series{column.name, {}};
    for (const Json& one : placements) {
      const double value = one.at(column.key);
      series.values.push_back({value / scale, text(value)});
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Table table_of(const Bars& chart) {
  Table table{{"placement"}, {}};
  for (const Bars::Series& series : chart.series) table.columns.push_back(series.name);
  for (std::size_t i = 0; i < chart.categories.size(); ++i) {
    std::vector<std::string> row{chart.categories[i]};
    for (const Bars::Series& series : chart.series) row.push_back(series.values[i].text);
    table.rows.push_back(std::move(row));
  }
  return table;
}

Figure figure(std::string title, std::string sentence, Bars chart) {
  Table table = table_of(chart);
  return {.title = std::move(title),
          .sentence = std::move(sentence),
          .chart = std::move(chart),
          .table = std::move(table)};
}

Figure ageing(const Json& placements) {
  Lines chart{.x = {.name = "windows since it was made", .whole = true},
              .y = {.name = "busiest rank over the mean"},
              .series = {}};
  Table table{{"placement", "experts moved", "takes", "pays every"}, {}};
  for (const Json& one : placements) {
    const Json& rebalance = one.at("rebalance");
    if (!rebalance.contains("intervals")) continue;
    Lines::Series series{name_of(one), {}};
    for (const Json& interval : rebalance.at("intervals")) {
      const double windows = interval.at("windows"), ratio = interval.at("rank_max_over_mean");
      series.points.push_back(
          {windows, ratio, fmt::format("after {:.0f}: {}", windows, factor_text(ratio))});
    }
    chart.series.push_back(std::move(series));
    table.rows.push_back(
        {name_of(one), count_text(rebalance.at("experts_moved")),
         time_text(rebalance.at("move_time_us")),
         fmt::format("{} steps{}", count_text(rebalance.at("best_interval_steps")),
                     rebalance.at("best_interval_is_longest").get<bool>() ? " or more" : "")});
  }
  return {.title = "How they age",
          .sentence =
              "The busiest rank as the loads move on from those that a placement was made "
              "from, and how often making it anew pays.",
          .chart = std::move(chart),
          .table = std::move(table)};
}

}  // namespace

Page placement_page(const Json& report) {
  const Json& placements = report.at("placements");
  if (placements.empty()) throw nlohmann::json::other_error::create(501, "no placement", &report);
  const auto step = [](const Json& one) { return one.at("step_time_us").get<double>(); };
  const auto [best, worst] =
      std::minmax_element(placements.begin(), placements.end(),
                          [&](const Json& a, const Json& b) { return step(a) < step(b); });
  Page page{.kind = "placement",
            .title = fmt::format("Expert placements of {}", report.at("model").get<std::string>()),
            .what = fmt::format(
                "{}: {} ranks, {} tokens a step; {}", report.at("cluster").get<std::string>(),
                count_text(report.at("ranks")), count_text(report.at("tokens_per_step")),
                report.at("routing").get<std::string>()),
            .answer = fmt::format("{} gives the shortest step, {}", name_of(*best),
                                  time_text(step(*best)))};
  if (placements.size() > 1) {
    page.answer += fmt::format(": {} less than {}, the longest",
                               percent_text(1 - step(*best) / step(*worst)), name_of(*worst));
  }
  page.answer += ".";
  for (const Json& note : report.at("notes")) page.warnings.push_back(note);
  const TimeUnit unit = time_unit(step(*worst));
  page.sections.push_back(
      {.title = "Step",
       .figures = {
           figure("Step time", "What a step takes with each placement.",
                  bars_of(placements, unit.name, unit.us, time_text, {{"step", "step_time_us"}})),
           figure("Balance",
                  "The busiest rank's rows over the mean: mean of the layers, "
                  "and the worst layer.",
                  bars_of(placements, "busiest over the mean", 1, factor_text,
                          {{"mean of the layers", "rank_max_over_mean"},
                           {"worst layer", "worst_rank_max_over_mean"}}))}});
  page.sections.push_back(
      {.title = "Traffic",
       .figures = {
           figure("Bytes of a step",
                  "Dispatch and combine of all layers: a token once a rank over NVLink, and once a "
                  "node over the network.",
                  bars_of(placements, "GB", 1e9, bytes_text,
                          {{"NVLink", "nvlink_bytes"}, {"network", "network_bytes"}})),
           figure("Ranks and nodes of a token", "How far a token's experts are spread.",
                  bars_of(placements, "a token", 1, factor_text,
                          {{"ranks", "ranks_per_token"}, {"nodes", "nodes_per_token"}}))}});
  const bool replicated = std::ranges::any_of(
      placements, [](const Json& placement) { return placement.at("replica_bytes") > 0; });
  if (replicated) {
    page.sections.push_back({.title = "Replicas",
                             .figures = {figure("Memory of replicas", "Of each GPU.",
                                                bars_of(placements, "GB", 1e9, bytes_text,
                                                        {{"replicas", "replica_bytes"}}))}});
  }
  if (Figure ages = ageing(placements); !ages.table->rows.empty())
    page.sections.push_back({.title = "Rebalancing", .figures = {std::move(ages)}});
  return page;
}

}  // namespace moesim::tools
