// One exchange alone on a cluster.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/report/number_text.h"
#include "tools/report/page_kinds.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

Figure links(const Json& report) {
  const Json& all = report.at("links");
  Bars chart{.unit = "busy, % of the time at the link's full rate",
             .categories = {},
             .series = {{"busy", {}}}};
  Table table{{"link", "kind", "bytes", "capacity", "busy"}, {}};
  for (std::size_t i = 0; i < std::min(all.size(), kMostTableRows); ++i) {
    const Json& link = all[i];
    const double busy = link.at("busy_fraction");
    const std::string name = link.at("name"), bytes = bytes_text(link.at("bytes"));
    table.rows.push_back({name, link.at("kind"), bytes,
                          fmt::format("{:.4g} GB/s", link.at("capacity_GBps").get<double>()),
                          percent_text(busy)});
    if (i >= kMostBars) continue;
    chart.categories.push_back(name);
    chart.series[0].values.push_back(
        {100 * busy, fmt::format("{} busy, {}", percent_text(busy), bytes)});
  }
  return {.title = "Busiest links",
          .sentence = fmt::format("{} is the busiest link: {} of the time.",
                                  all[0].at("name").get<std::string>(),
                                  percent_text(all[0].at("busy_fraction"))),
          .chart = std::move(chart),
          .table = std::move(table),
          .note = all.size() > kMostBars ? fmt::format("The busiest {} of {} links.", kMostBars,
                                                       count_text(double(all.size())))
                                         : ""};
}

Figure times(const Json& report) {
  const double took = report.at("completion_us"), bound = report.at("lower_bound_us");
  const TimeUnit unit = time_unit(took);
  Bars chart{
      .unit = unit.name,
      .categories = {"completion", "lower bound"},
      .series = {
          {"time", {{took / unit.us, time_text(took)}, {bound / unit.us, time_text(bound)}}}}};
  Table table{
      {"what", "value"},
      {{"completion", time_text(took)},
       {"lower bound: the busiest port alone", time_text(bound)},
       {"algorithm bandwidth", fmt::format("{:.2f} GB/s", report.at("algbw_GBps").get<double>())},
       {"bus bandwidth", fmt::format("{:.2f} GB/s", report.at("busbw_GBps").get<double>())},
       {"flows", count_text(report.at("flows"))},
       {"events", count_text(report.at("events"))}}};
  return {.title = "Time",
          .sentence = fmt::format("The busiest port alone would take {} of the time.",
                                  percent_text(bound / std::max(1e-6, took))),
          .chart = std::move(chart),
          .table = std::move(table)};
}

}  // namespace

Page exchange_page(const Json& report) {
  const double took = report.at("completion_us");
  const std::string cluster = report.at("cluster"), algorithm = report.at("algorithm");
  std::string answer = fmt::format("{} of {} ranks takes {}", algorithm,
                                   report.at("ranks").get<std::int64_t>(), time_text(took));
  if (report.contains("interval")) {
    const Json& interval = report.at("interval").at("completion_us");
    answer += fmt::format(" (80 % interval {} to {})", time_text(interval.at("p10")),
                          time_text(interval.at("p90")));
  }
  answer +=
      fmt::format(": {:.2f} GB/s of the algorithm, {:.2f} GB/s of the bus.",
                  report.at("algbw_GBps").get<double>(), report.at("busbw_GBps").get<double>());
  Page page{
      .kind = "exchange",
      .title = fmt::format("{} of {} ranks", algorithm, report.at("ranks").get<std::int64_t>()),
      .what = cluster,
      .answer = std::move(answer)};
  if (const std::string why = report.value("extrapolated", ""); !why.empty())
    page.warnings.push_back("Extrapolated: " + why);
  page.sections.push_back({.title = "Time", .figures = {times(report)}});
  if (!report.at("links").empty())
    page.sections.push_back({.title = "Network", .figures = {links(report)}});
  return page;
}

}  // namespace moesim::tools
