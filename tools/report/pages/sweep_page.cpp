// A study: what was measured over what varied, what trades against what, and what could not be.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/report/page_kinds.h"
#include "tools/report/pages/parallel_figure.h"
#include "tools/report/pages/study_points.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

class SweepPage {
 public:
  explicit SweepPage(const Json& report) : study_(report) {}

  Page page() const {
    Page page{.kind = "sweep", .title = "A study", .what = what(), .answer = answer()};
    Section measured{.title = "Measured"};
    for (const std::string& measure : study_.measures()) {
      if (!study_.over().empty()) measured.figures.push_back(figure(measure));
    }
    if (!measured.figures.empty()) page.sections.push_back(std::move(measured));
    if (auto both = trade_off())
      page.sections.push_back({.title = "Trade-off", .figures = {std::move(*both)}});
    if (auto all_axes = parallel_figure(study_))
      page.sections.push_back({.title = "Settings and results", .figures = {std::move(*all_axes)}});
    page.sections.push_back({.title = "Points", .figures = {all()}});
    if (auto reasons = not_done()) page.sections.back().figures.push_back(std::move(*reasons));
    return page;
  }

 private:
  std::string what() const {
    std::string text;
    for (const std::string& key : study_.varied()) text += (text.empty() ? "over " : ", ") + key;
    return text.empty() ? "one point" : text;
  }

  std::string counts() const {
    std::map<std::string, std::size_t> by_status;
    for (const Json& point : study_.points()) ++by_status[point.at("status")];
    std::string text;
    for (const auto& [status, n] : by_status)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", n, status);
    return text;
  }

  std::string answer() const {
    std::string text = fmt::format("{} points: {}.", study_.points().size(), counts());
    if (study_.points().size() < study_.in_study())
      text +=
          fmt::format(" The study has {}: the others are not in this store.", study_.in_study());
    for (const std::string& measure : study_.measures()) {
      if (const Json* point = study_.best(measure)) {
        text += fmt::format(" The {} {} is {}, at {}.", less_is_better(measure) ? "least" : "most",
                            measure, measured_text(measure, point->at("metrics").at(measure)),
                            study_.place(*point));
      }
    }
    return text;
  }

  // What else varies, as the name of a line.
  std::string line_of(const Json& point) const {
    std::string text;
    for (const std::string& key : study_.varied()) {
      if (key == study_.over()) continue;
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key.substr(key.rfind('.') + 1),
                          cell(point.at("params").value(key, Json())));
    }
    return text.empty() ? "done" : text;
  }

  Figure figure(const std::string& measure) const {
    constexpr std::size_t kMostLines = 8;
    Lines chart{.x = {.name = study_.over()}, .y = {.name = axis_name(measure)}, .series = {}};
    Table table{study_.varied(), {}};
    table.columns.push_back(measure);
    std::map<std::string, std::size_t> line;
    std::size_t left_out = 0;
    double low = 0, high = 0;
    for (const Json& point : study_.points()) {
      if (!StudyPoints::done(point) || !point.at("metrics").contains(measure)) continue;
      const double x = point.at("params").at(study_.over()), y = point.at("metrics").at(measure);
      const std::string name = line_of(point);
      if (!line.contains(name)) {
        if (line.size() == kMostLines) {
          ++left_out;
          continue;
        }
        line[name] = chart.series.size();
        chart.series.push_back({name, {}});
      }
      low = low == 0 ? x : std::min(low, x);
      high = std::max(high, x);
      chart.series[line[name]].points.push_back(
          {x, on_axis(measure, y),
           fmt::format("{} {}: {}", study_.over(), short_number(x), measured_text(measure, y))});
      if (table.rows.size() == kMostTableRows) continue;
      table.rows.emplace_back();
      for (const std::string& key : study_.varied())
        table.rows.back().push_back(cell(point.at("params").value(key, Json())));
      table.rows.back().push_back(measured_text(measure, y));
    }
    for (auto& series : chart.series) std::ranges::stable_sort(series.points, {}, &Lines::Point::x);
    chart.x.log = by_factors(low, high);
    const Json* point = study_.best(measure);
    Figure figure{.title = measure,
                  .sentence = point == nullptr
                                  ? fmt::format("No point that is done has {}.", measure)
                                  : fmt::format("{} is {} at {}.", measure,
                                                less_is_better(measure) ? "least" : "most",
                                                study_.place(*point)),
                  .table = std::move(table)};
    if (!chart.series.empty()) figure.chart = std::move(chart);
    if (left_out > 0)
      figure.note = fmt::format("The first {} lines; {} points of others are in the table of all.",
                                kMostLines, left_out);
    return figure;
  }

  // Of the first measure that should be small and the first that should be large.
  std::optional<Figure> trade_off() const {
    std::string least, most;
    for (const std::string& measure : study_.measures()) {
      std::string& which = less_is_better(measure) ? least : most;
      if (which.empty()) which = measure;
    }
    if (least.empty() || most.empty()) return {};
    std::vector<Lines::Point> all;
    for (const Json& point : study_.points()) {
      const Json& metrics = point.at("metrics");
      if (!StudyPoints::done(point) || !metrics.contains(least) || !metrics.contains(most))
        continue;
      all.push_back({on_axis(least, metrics.at(least)), on_axis(most, metrics.at(most)),
                     study_.place(point)});
    }
    if (all.size() < 3) return {};
    std::ranges::stable_sort(
        all, [](const auto& p, const auto& q) { return p.x != q.x ? p.x < q.x : p.y > q.y; });
    Lines chart{.x = {.name = axis_name(least)},
                .y = {.name = axis_name(most)},
                .series = {{"not beaten", {}}, {"beaten in both", {}}},
                .marks = true};
    Table table{{"point", axis_name(least), axis_name(most)}, {}};
    for (const Lines::Point& point : all) {
      auto& front = chart.series[0].points;
      const bool beaten = !front.empty() && front.back().y >= point.y;
      chart.series[beaten ? 1 : 0].points.push_back(point);
      if (!beaten && table.rows.size() < kMostTableRows)
        table.rows.push_back({point.text, short_number(point.x), short_number(point.y)});
    }
    const std::size_t best = chart.series[0].points.size();
    if (chart.series[1].points.empty()) chart.series.pop_back();
    return Figure{.title = fmt::format("{} against {}", most, least),
                  .sentence = fmt::format("{} of {} points are beaten by none in both at once: the "
                                          "Pareto front.",
                                          best, all.size()),
                  .chart = std::move(chart),
                  .table = std::move(table)};
  }

  Figure all() const {
    Table table{{"ord", "status"}, {}};
    for (const auto* keys : {&study_.varied(), &study_.measures()})
      table.columns.insert(table.columns.end(), keys->begin(), keys->end());
    for (const Json& point : study_.points()) {
      if (table.rows.size() == kMostTableRows) break;
      table.rows.push_back({cell(point.at("ord")), point.at("status")});
      for (const std::string& key : study_.varied())
        table.rows.back().push_back(cell(point.at("params").value(key, Json())));
      for (const std::string& key : study_.measures()) {
        const Json value = point.at("metrics").value(key, Json());
        table.rows.back().push_back(value.is_null() ? "-" : cell(value));
      }
    }
    return {.title = "All points",
            .sentence = fmt::format("{} points in the order of the axes: {}.",
                                    study_.points().size(), counts()),
            .table = std::move(table),
            .note = study_.points().size() > kMostTableRows
                        ? fmt::format("The first {} of {}; moesim sweep export has all.",
                                      kMostTableRows, study_.points().size())
                        : ""};
  }

  std::optional<Figure> not_done() const {
    // Points of one reason in a row, the first few by their ord.
    constexpr std::size_t kMostNamed = 8;
    std::map<std::pair<std::string, std::string>, std::vector<std::string>> reasons;
    for (const Json& point : study_.points()) {
      if (!StudyPoints::done(point))
        reasons[{point.at("status"), point.at("reason")}].push_back(cell(point.at("ord")));
    }
    Table table{{"reason", "status", "points", "ord"}, {}};
    for (const auto& [why, ords] : reasons) {
      std::string named;
      for (std::size_t i = 0; i < std::min(kMostNamed, ords.size()); ++i)
        named += (i == 0 ? "" : ", ") + ords[i];
      if (ords.size() > kMostNamed) named += ", …";
      if (table.rows.size() < kMostTableRows)
        table.rows.push_back({why.second, why.first, std::to_string(ords.size()), named});
    }
    if (table.rows.empty()) return {};
    return Figure{.title = "Why not",
                  .sentence = "Points that did not end as done, by their reason.",
                  .table = std::move(table)};
  }

  StudyPoints study_;
};

}  // namespace

Page sweep_page(const Json& report) {
  return SweepPage(report).page();
}

}  // namespace moesim::tools
