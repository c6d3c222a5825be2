#include "tools/report/pages/parallel_figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace moesim::tools {

using sim::io::Json;

namespace {

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

Upright upright(const StudyPoints& study, const std::string& name, bool measured) {
  Upright axis{.name = name, .measured = measured};
  bool numbers = true, first = true;
  for (const Json& point : study.points()) {
    const Json* value = StudyPoints::ran(point) ? axis.in(point) : nullptr;
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
  axis.log = by_factors(axis.low, axis.high);
  if (numbers) axis.words.clear();
  return axis;
}

}  // namespace

std::optional<Figure> parallel_figure(const StudyPoints& study) {
  if (study.varied().empty() || study.measures().empty() ||
      study.best(study.measures()[0]) == nullptr)
    return {};
  std::vector<Upright> axes;
  for (const std::string& key : study.varied()) axes.push_back(upright(study, key, false));
  for (const std::string& key : study.measures()) axes.push_back(upright(study, key, true));
  axes.resize(std::min(axes.size(), kMostAxes));
  const std::string& measure = study.measures()[0];
  std::vector<double> values;
  std::vector<const Json*> points;
  for (const Json& point : study.points()) {
    if (!StudyPoints::ran(point)) continue;
    points.push_back(&point);
    if (StudyPoints::done(point) && point.at("metrics").contains(measure))
      values.push_back(point.at("metrics").at(measure));
  }
  if (axes.size() < 3 || points.size() < 3) return {};
  const bool less = less_is_better(measure);
  std::ranges::sort(values);
  if (!less) std::ranges::reverse(values);
  const double tenth = values[(values.size() - 1) / 10];
  const auto kind_of = [&](const Json& point) -> std::size_t {
    if (!StudyPoints::done(point)) return 2;
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

}  // namespace moesim::tools
