// A study: what was measured over what varied, what trades against what, and what could not be.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tools/report/number_text.h"
#include "tools/report/page_kinds.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

std::string short_number(double value) {
  const bool whole = value == std::floor(value) && std::abs(value) < 1e7;
  const bool large = std::abs(value) >= 1e4 && std::abs(value) < 1e9;
  return whole || large ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

// A measure as it is read, and its axis: bytes by thousand millions.
bool in_bytes(std::string_view measure) {
  return measure.ends_with("_bytes");
}
std::string measured_text(std::string_view measure, double value) {
  if (in_bytes(measure)) return bytes_text(value);
  const std::string_view name = measure.substr(0, measure.find('.'));
  return name.ends_with("_us") ? time_text(value) : short_number(value);
}
double on_axis(std::string_view measure, double value) {
  return in_bytes(measure) ? value * 1e-9 : value;
}
std::string axis_name(const std::string& measure) {
  return in_bytes(measure) ? measure + ", GB" : measure;
}

std::string cell(const Json& value) {
  if (value.is_number()) return short_number(value.get<double>());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// "step_time_us.mean": less is better of times and bytes, more of rates.
bool less_is_better(std::string_view measure) {
  return measure.find("_us") != std::string_view::npos ||
         measure.find("_ms") != std::string_view::npos ||
         measure.find("bytes") != std::string_view::npos ||
         measure.find("cost") != std::string_view::npos;
}

std::vector<std::string> keys_of(const Json& points, const char* kind) {
  std::vector<std::string> keys;
  for (const Json& point : points) {
    for (const auto& [key, value] : point.at(kind).items())
      if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
  }
  return keys;
}

class Study {
 public:
  explicit Study(const Json& report)
      : points_(report.at("points")), all_(report.value("points_in_study", points_.size())) {
    params_ = keys_of(points_, "params");
    // In the order in which they were asked for.
    const std::vector<std::string> there = keys_of(points_, "metrics");
    const auto asked = report.at("study").at("measure").get<std::vector<std::string>>();
    for (const std::string& name : asked)
      if (std::ranges::find(there, name) != there.end()) measures_.push_back(name);
    // What has more than one value, and of numbers the first to draw over.
    for (const std::string& key : params_) {
      std::set<std::string> values;
      bool numbers = true;
      for (const Json& point : points_) {
        const Json value = point.at("params").value(key, Json());
        values.insert(value.dump());
        numbers = numbers && value.is_number();
      }
      if (values.size() < 2) continue;
      varied_.push_back(key);
      if (numbers && over_.empty()) over_ = key;
    }
  }

  Page page() const {
    Page page{.kind = "sweep", .title = "A study", .what = what(), .answer = answer()};
    Section measured{.title = "Measured"};
    for (const std::string& measure : measures_) {
      if (!over_.empty()) measured.figures.push_back(figure(measure));
    }
    if (!measured.figures.empty()) page.sections.push_back(std::move(measured));
    if (auto both = trade_off())
      page.sections.push_back({.title = "Trade-off", .figures = {std::move(*both)}});
    if (auto all_axes = together())
      page.sections.push_back({.title = "Settings and results", .figures = {std::move(*all_axes)}});
    page.sections.push_back({.title = "Points", .figures = {all()}});
    if (auto reasons = not_done()) page.sections.back().figures.push_back(std::move(*reasons));
    return page;
  }

 private:
  static bool done(const Json& point) { return point.at("status") == "done"; }

  std::string what() const {
    std::string text;
    for (const std::string& key : varied_) text += (text.empty() ? "over " : ", ") + key;
    return text.empty() ? "one point" : text;
  }

  // Of points that are done, the best by that measure; null where none has it.
  const Json* best(const std::string& measure) const {
    const Json* best = nullptr;
    for (const Json& point : points_) {
      if (!done(point) || !point.at("metrics").contains(measure)) continue;
      const auto value = [&](const Json& p) { return p.at("metrics").at(measure).get<double>(); };
      if (best == nullptr ||
          (less_is_better(measure) ? value(point) < value(*best) : value(point) > value(*best)))
        best = &point;
    }
    return best;
  }

  std::string place(const Json& point) const {
    std::string text;
    for (const std::string& key : varied_)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key,
                          cell(point.at("params").value(key, Json())));
    return text;
  }

  std::string counts() const {
    std::map<std::string, std::size_t> by_status;
    for (const Json& point : points_) ++by_status[point.at("status")];
    std::string text;
    for (const auto& [status, n] : by_status)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", n, status);
    return text;
  }

  std::string answer() const {
    std::string text = fmt::format("{} points: {}.", points_.size(), counts());
    if (points_.size() < all_)
      text += fmt::format(" The study has {}: the others are not in this store.", all_);
    for (const std::string& measure : measures_) {
      if (const Json* point = best(measure)) {
        text += fmt::format(" The {} {} is {}, at {}.", less_is_better(measure) ? "least" : "most",
                            measure, measured_text(measure, point->at("metrics").at(measure)),
                            place(*point));
      }
    }
    return text;
  }

  // What else varies, as the name of a line.
  std::string line_of(const Json& point) const {
    std::string text;
    for (const std::string& key : varied_) {
      if (key == over_) continue;
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key.substr(key.rfind('.') + 1),
                          cell(point.at("params").value(key, Json())));
    }
    return text.empty() ? "done" : text;
  }

  Figure figure(const std::string& measure) const {
    constexpr std::size_t kMostLines = 8;
    Lines chart{.x = {.name = over_}, .y = {.name = axis_name(measure)}, .series = {}};
    Table table{varied_, {}};
    table.columns.push_back(measure);
    std::map<std::string, std::size_t> line;
    std::size_t left_out = 0;
    double low = 0, high = 0;
    for (const Json& point : points_) {
      if (!done(point) || !point.at("metrics").contains(measure)) continue;
      const double x = point.at("params").at(over_), y = point.at("metrics").at(measure);
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
           fmt::format("{} {}: {}", over_, short_number(x), measured_text(measure, y))});
      if (table.rows.size() == kMostTableRows) continue;
      table.rows.emplace_back();
      for (const std::string& key : varied_)
        table.rows.back().push_back(cell(point.at("params").value(key, Json())));
      table.rows.back().push_back(measured_text(measure, y));
    }
    for (auto& series : chart.series) std::ranges::stable_sort(series.points, {}, &Lines::Point::x);
    constexpr double kWide = 20;  // so that steps by a factor lie evenly
    chart.x.log = low > 0 && high / low > kWide;
    const Json* point = best(measure);
    Figure figure{
        .title = measure,
        .sentence = point == nullptr
                        ? fmt::format("No point that is done has {}.", measure)
                        : fmt::format("{} is {} at {}.", measure,
                                      less_is_better(measure) ? "least" : "most", place(*point)),
        .table = std::move(table)};
    if (!chart.series.empty()) figure.chart = std::move(chart);
    if (left_out > 0)
      figure.note = fmt::format("The first {} lines; {} points of others are in the table of all.",
                                kMostLines, left_out);
    return figure;
  }

  // An axis of parallel coordinates: what varies or was measured, of the points that ran.
  struct Upright {
    std::string name;
    bool measured = false, log = false;
    double low = 0, high = 0;
    std::vector<std::string> words = {};  // in the order in which they come; empty: numbers

    bool is_word() const { return !words.empty(); }
    std::string text(double value) const { return measured_text(measured ? name : "", value); }
    const Json* in(const Json& point) const {
      const Json& values = point.at(measured ? "metrics" : "params");
      const auto found = values.find(name);
      return found == values.end() ? nullptr : &*found;
    }
    std::optional<double> share(const Json& value) const {
      if (!words.empty()) {
        const auto at = std::ranges::find(words, cell(value)) - words.begin();
        return words.size() == 1 ? 0.5 : double(at) / double(words.size() - 1);
      }
      if (high == low) return 0.5;
      const double x = value;
      if (!log) return (x - low) / (high - low);
      return std::log(x / low) / std::log(high / low);
    }
  };

  static bool ran(const Json& point) { return done(point) || point.at("status") == "infeasible"; }

  Upright upright(const std::string& name, bool measured) const {
    Upright axis{.name = name, .measured = measured};
    bool numbers = true, first = true;
    for (const Json& point : points_) {
      const Json* value = ran(point) ? axis.in(point) : nullptr;
      if (value == nullptr) continue;
      if (std::ranges::find(axis.words, cell(*value)) == axis.words.end())
        axis.words.push_back(cell(*value));
      numbers = numbers && value->is_number();
      if (!numbers) continue;
      const double x = *value;
      axis.low = first ? x : std::min(axis.low, x);
      axis.high = first ? x : std::max(axis.high, x);
      first = false;
    }
    constexpr double kWide = 20;  // so that steps by a factor lie evenly
    axis.log = axis.low > 0 && axis.high / axis.low > kWide;
    if (numbers) axis.words.clear();
    return axis;
  }

  // Which settings the best points by the first measure have in common.
  std::optional<Figure> together() const {
    if (varied_.empty() || measures_.empty() || best(measures_[0]) == nullptr) return {};
    std::vector<Upright> axes;
    for (const std::string& key : varied_) axes.push_back(upright(key, false));
    for (const std::string& key : measures_) axes.push_back(upright(key, true));
    axes.resize(std::min(axes.size(), kMostAxes));
    const std::string& measure = measures_[0];
    std::vector<double> values;
    std::vector<const Json*> points;
    for (const Json& point : points_) {
      if (!ran(point)) continue;
      points.push_back(&point);
      if (done(point) && point.at("metrics").contains(measure))
        values.push_back(point.at("metrics").at(measure));
    }
    if (axes.size() < 3 || points.size() < 3) return {};
    const bool less = less_is_better(measure);
    std::ranges::sort(values);
    if (!less) std::ranges::reverse(values);
    const double tenth = values[(values.size() - 1) / 10];
    const auto kind_of = [&](const Json& point) -> std::size_t {
      if (!done(point)) return 2;
      const Json value = point.at("metrics").value(measure, Json());
      if (!value.is_number()) return 1;
      return less ? value.get<double>() > tenth : value.get<double>() < tenth;
    };
    Parallel chart{
        .kinds = {fmt::format("best tenth by {}", measure), "others that are done", "does not fit"},
        .axes = {},
        .lines = {}};
    Table table{{"axis", "bottom", "top"}, {}};
    for (const Upright& axis : axes) {
      const bool words = !axis.words.empty();
      const std::string bottom = words ? axis.words.front() : axis.text(axis.low),
                        top = words ? axis.words.back() : axis.text(axis.high);
      chart.axes.push_back({axis.name, bottom, top});
      table.rows.push_back({axis.name, bottom, top});
    }
    const std::size_t every = (points.size() + kMostThrough - 1) / kMostThrough;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const std::size_t kind = kind_of(*points[i]);
      if (kind != 0 && i % every != 0) continue;
      if (chart.lines.size() == kMostThrough) break;
      Parallel::Line line{.kind = kind, .at = {}, .texts = {}};
      for (const Upright& axis : axes) {
        const Json* value = axis.in(*points[i]);
        line.at.push_back(value == nullptr ? std::nullopt : axis.share(*value));
        line.texts.push_back(value == nullptr ? "-"
                             : axis.is_word() ? cell(*value)
                                              : axis.text(*value));
      }
      chart.lines.push_back(std::move(line));
    }
    std::string note;
    if (chart.lines.size() < points.size())
      note = fmt::format("{} of {} points that ran; the best tenth among them.", chart.lines.size(),
                         points.size());
    return Figure{.title = "Every point on every axis",
                  .sentence = fmt::format(
                      "A line is a point, from what was set to what was measured; the strong ones "
                      "are the best tenth by {}, {} {}.",
                      measure, measured_text(measure, tenth), less ? "or less" : "or more"),
                  .chart = std::move(chart),
                  .table = std::move(table),
                  .note = std::move(note)};
  }

  // Of the first measure that should be small and the first that should be large.
  std::optional<Figure> trade_off() const {
    std::string least, most;
    for (const std::string& measure : measures_) {
      std::string& which = less_is_better(measure) ? least : most;
      if (which.empty()) which = measure;
    }
    if (least.empty() || most.empty()) return {};
    std::vector<Lines::Point> all;
    for (const Json& point : points_) {
      const Json& metrics = point.at("metrics");
      if (!done(point) || !metrics.contains(least) || !metrics.contains(most)) continue;
      all.push_back(
          {on_axis(least, metrics.at(least)), on_axis(most, metrics.at(most)), place(point)});
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
    for (const auto* keys : {&varied_, &measures_})
      table.columns.insert(table.columns.end(), keys->begin(), keys->end());
    for (const Json& point : points_) {
      if (table.rows.size() == kMostTableRows) break;
      table.rows.push_back({cell(point.at("ord")), point.at("status")});
      for (const std::string& key : varied_)
        table.rows.back().push_back(cell(point.at("params").value(key, Json())));
      for (const std::string& key : measures_) {
        const Json value = point.at("metrics").value(key, Json());
        table.rows.back().push_back(value.is_null() ? "-" : cell(value));
      }
    }
    return {.title = "All points",
            .sentence =
                fmt::format("{} points in the order of the axes: {}.", points_.size(), counts()),
            .table = std::move(table),
            .note = points_.size() > kMostTableRows
                        ? fmt::format("The first {} of {}; moesim sweep export has all.",
                                      kMostTableRows, points_.size())
                        : ""};
  }

  std::optional<Figure> not_done() const {
    // Points of one reason in a row, the first few by their ord.
    constexpr std::size_t kMostNamed = 8;
    std::map<std::pair<std::string, std::string>, std::vector<std::string>> reasons;
    for (const Json& point : points_) {
      if (!done(point))
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

  const Json& points_;
  std::uint64_t all_;  // points of the whole study
  std::vector<std::string> params_, measures_, varied_;
  std::string over_;  // the axis that charts are drawn over; empty where none is of numbers
};

}  // namespace

Page sweep_page(const Json& report) {
  return Study(report).page();
}

}  // namespace moesim::tools
