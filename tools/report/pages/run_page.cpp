// What a run found.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/report/number_text.h"
#include "tools/report/page_kinds.h"
#include "tools/report/pages/shared_sections.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

std::string answer_of(const Json& report) {
  const Json& memory = report.at("memory");
  std::string text;
  if (!memory.at("fits").get<bool>()) {
    text = fmt::format("It does not fit: {}. What follows is what it would be. ",
                       memory.value("advice", "more than the GPU has"));
  }
  text += fmt::format("A step takes {}", time_text(report.at("step_time_us").at("mean")));
  if (const Json interval = report.at("interval").value("step_time_us", Json());
      interval.is_object()) {
    text += fmt::format(" (80 % interval {} to {})", time_text(interval.at("p10")),
                        time_text(interval.at("p90")));
  }
  const Json& throughput = report.at("throughput");
  text +=
      fmt::format(": {} tokens/s, {} tokens/s per GPU.", count_text(throughput.at("tokens_per_s")),
                  count_text(throughput.at("tokens_per_s_per_gpu")));
  if (const Json& parts = report.at("bottleneck"); !parts.empty()) {
    text += fmt::format(" The largest part is {}, {}.", parts[0].at("what").get<std::string>(),
                        percent_text(parts[0].at("share")));
  }
  return text;
}

// "experts: memory bandwidth": a phase and a reason; "idle" and "host" are both.
std::pair<std::string, std::string> phase_and_reason(const std::string& what) {
  const std::size_t colon = what.find(": ");
  if (colon == std::string::npos) return {what, what};
  return {what.substr(0, colon), what.substr(colon + 2)};
}

Figure time_by_reason(const Json& report) {
  const double step = report.at("step_time_us").at("mean");
  const TimeUnit unit = time_unit(step);
  Bars chart{.unit = fmt::format("exposed time of the mean rank, {}", unit.name),
             .categories = {},
             .series = {},
             .stacked = true};
  Table table{{"phase", "reason", "time", "of the step"}, {}};
  std::map<std::pair<std::string, std::string>, double> cells;
  std::vector<std::string> reasons;
  for (const Json& part : report.at("bottleneck")) {
    const auto [phase, reason] = phase_and_reason(part.at("what"));
    const double us = part.at("time_us");
    cells[{phase, reason}] = us;
    if (std::ranges::find(chart.categories, phase) == chart.categories.end())
      chart.categories.push_back(phase);
    if (std::ranges::find(reasons, reason) == reasons.end()) reasons.push_back(reason);
    table.rows.push_back({phase, reason, time_text(us), percent_text(part.at("share"))});
  }
  for (const std::string& reason : reasons) {
    Bars::Series series{reason, {}};
    for (const std::string& phase : chart.categories) {
      const auto found = cells.find({phase, reason});
      const double us = found == cells.end() ? 0 : found->second;
      series.values.push_back(
          {us / unit.us, fmt::format("{}, {}", time_text(us), percent_text(us / step))});
    }
    chart.series.push_back(std::move(series));
  }
  return {.title = "Time by phase and reason",
          .sentence = fmt::format("Where the {} of a step go on the mean rank, and what limits "
                                  "each part.",
                                  time_text(step)),
          .chart = std::move(chart),
          .table = std::move(table)};
}

Figure phases(const Json& report) {
  const double step = report.at("step_time_us").at("mean");
  Table table{{"phase", "busy", "exposed", "of the step", "waiting for slower ranks"}, {}};
  for (const auto& [name, phase] : report.at("phases_us").items()) {
    if (phase.at("busy") == 0) continue;
    table.rows.push_back({name, time_text(phase.at("busy")), time_text(phase.at("exposed")),
                          percent_text(phase.at("exposed").get<double>() / step),
                          phase.at("waiting") == 0 ? "-" : time_text(phase.at("waiting"))});
  }
  if (const double idle = report.at("idle_us"); idle > 0)
    table.rows.push_back({"idle", "-", time_text(idle), percent_text(idle / step), "-"});
  return {.title = "Phases",
          .sentence =
              "Busy: the phase runs. Exposed: it is what the rank does, so the exposed "
              "times add up to the step.",
          .table = std::move(table)};
}

Figure step_times(const Json& report) {
  const Json& step = report.at("step_time_us");
  return {.title = "Step time",
          .sentence = fmt::format("Of {} step{}.", count_text(report.at("steps")),
                                  report.at("steps") == 1 ? "" : "s"),
          .table = Table{{"mean", "p50", "p90", "p99"},
                         {{time_text(step.at("mean")), time_text(step.at("p50")),
                           time_text(step.at("p90")), time_text(step.at("p99"))}}}};
}

Figure loads(const Json& report) {
  const Json& experts = report.at("expert_load").at("per_layer");
  const Json& ranks = report.at("rank_load").at("per_layer");
  Lines chart{.x = {.name = "layer", .whole = true},
              .y = {.name = "busiest over the mean"},
              .series = {{"expert", {}}, {"rank", {}}}};
  Table table{{"layer", "expert max/mean", "rank max/mean", "entropy", "idle experts"}, {}};
  double worst = 0;
  std::int64_t where = 0;
  for (std::size_t i = 0; i < experts.size(); ++i) {
    const std::int64_t layer = experts[i].at("layer");
    const double expert = experts[i].at("max_over_mean"), rank = ranks.at(i).at("max_over_mean");
    if (rank > worst) {
      worst = rank;
      where = layer;
    }
    const auto x = static_cast<double>(layer);
    chart.series[0].points.push_back(
        {x, expert, fmt::format("layer {}: {}", layer, factor_text(expert))});
    chart.series[1].points.push_back(
        {x, rank, fmt::format("layer {}: {}", layer, factor_text(rank))});
    table.rows.push_back({std::to_string(layer), factor_text(expert), factor_text(rank),
                          fmt::format("{:.3f}", experts[i].at("normalised_entropy").get<double>()),
                          std::to_string(experts[i].at("dead_experts").get<std::int64_t>())});
  }
  return {.title = "Load by layer",
          .sentence = fmt::format(
              "The busiest rank has {} x the mean rows, the mean of the layers; "
              "the worst is layer {} with {} x.",
              factor_text(report.at("rank_load").at("max_over_mean")), where, factor_text(worst)),
          .chart = std::move(chart),
          .table = std::move(table)};
}

Figure links(const Json& report) {
  const Json& all = report.at("links");
  Bars chart{.unit = "busy, % of the steps' time at the link's full rate",
             .categories = {},
             .series = {{"busy", {}}}};
  Table table{{"link", "kind", "bytes", "busy"}, {}};
  for (std::size_t i = 0; i < std::min(all.size(), kMostTableRows); ++i) {
    const Json& link = all[i];
    const double busy = link.at("busy_fraction");
    const std::string name = link.at("name"), bytes = bytes_text(link.at("bytes"));
    table.rows.push_back({name, link.at("kind"), bytes, percent_text(busy)});
    if (i >= kMostBars) continue;
    chart.categories.push_back(name);
    chart.series[0].values.push_back(
        {100 * busy, fmt::format("{} busy, {}", percent_text(busy), bytes)});
  }
  std::string note;
  if (all.size() > kMostBars) {
    note = fmt::format(
        "The busiest {} of {} links{}.", kMostBars, count_text(double(all.size())),
        all.size() > kMostTableRows ? fmt::format("; the table has {}", kMostTableRows) : "");
  }
  return {.title = "Busiest links",
          .sentence = fmt::format("{} is the busiest link: {} of the time.",
                                  all[0].at("name").get<std::string>(),
                                  percent_text(all[0].at("busy_fraction"))),
          .chart = std::move(chart),
          .table = std::move(table),
          .note = std::move(note)};
}

}  // namespace

Page run_page(const Json& report) {
  Page page{.kind = "run",
            .title = report.at("title"),
            .what = report.at("what"),
            .answer = answer_of(report)};
  page.sections.push_back(
      {.title = "Time", .figures = {time_by_reason(report), phases(report), step_times(report)}});
  if (!report.at("expert_load").at("per_layer").empty()) {
    page.sections.push_back(
        {.title = "Load", .text = {report.at("routing")}, .figures = {loads(report)}});
  }
  if (!report.at("links").empty())
    page.sections.push_back({.title = "Network", .figures = {links(report)}});
  if (report.at("memory").at("capacity_bytes") != 0)
    page.sections.push_back({.title = "Memory", .figures = {memory_figure(report)}});
  if (auto energy = energy_section(report)) page.sections.push_back(std::move(*energy));
  page.sections.push_back(trust_section(report));
  page.sections.push_back(made_from_section(report));
  return page;
}

}  // namespace moesim::tools
