#include "tools/report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace moesim::tools {
namespace {

using sim::io::Json;

// Four digits are more than a pixel.
double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const double unit = std::pow(10, 3 - std::floor(std::log10(std::abs(value))));
  return std::round(value * unit) / unit;
}

Json json_of(const ChartAxis& axis) {
  return {{"name", axis.name}, {"log", axis.log}, {"whole", axis.whole}};
}

Json json_of(const Bars& chart) {
  Json series = Json::array();
  for (const Bars::Series& one : chart.series) {
    Json values = Json::array(), texts = Json::array();
    for (const Figured& figured : one.values) {
      values.push_back(rounded(figured.value));
      texts.push_back(figured.text);
    }
    series.push_back({{"name", one.name}, {"values", values}, {"texts", texts}});
  }
  Json limit = nullptr;
  if (chart.limit) limit = {{"value", rounded(chart.limit->value)}, {"text", chart.limit->text}};
  return {{"type", "bars"},   {"unit", chart.unit},       {"categories", chart.categories},
          {"series", series}, {"stacked", chart.stacked}, {"running", chart.running},
          {"limit", limit}};
}

Json json_of(const Lines& chart) {
  Json series = Json::array();
  for (const Lines::Series& one : chart.series) {
    Json points = Json::array(), texts = Json::array();
    const std::size_t every = one.points.size() / kMostPoints + 1;
    for (std::size_t i = 0; i < one.points.size(); i += every) {
      const Lines::Point& point = one.points[i];
      if ((chart.x.log && point.x <= 0) || (chart.y.log && point.y <= 0)) continue;
      points.push_back({rounded(point.x), rounded(point.y)});
      texts.push_back(point.text);
    }
    series.push_back({{"name", one.name}, {"points", points}, {"texts", texts}});
  }
  return {{"type", "lines"},
          {"x", json_of(chart.x)},
          {"y", json_of(chart.y)},
          {"series", series},
          {"marks", chart.marks}};
}

Json json_of(const Heat& chart) {
  Json values = Json::array();
  for (const double value : chart.values) values.push_back(rounded(value));
  return {{"type", "heat"},
          {"x", chart.x},
          {"y", chart.y},
          {"unit", chart.unit},
          {"columns", chart.columns},
          {"rows", chart.rows},
          {"values", values},
          {"scale", chart.log2 ? "log2" : "linear"}};
}

Json json_of(const Slices& chart) {
  Json slices = Json::array();
  for (const Slices::Slice& slice : chart.slices) {
    slices.push_back({slice.track, slice.from, slice.to, slice.kind, slice.text});
  }
  return {{"type", "timeline"},
          {"unit", chart.unit},
          {"tracks", chart.tracks},
          {"kinds", chart.kinds},
          {"slices", slices}};
}

Json json_of(const Graph& chart) {
  Json nodes = Json::array(), links = Json::array();
  for (const Graph::Node& node : chart.nodes) {
    nodes.push_back({node.name, node.kind, rounded(node.x), rounded(node.y)});
  }
  for (const Graph::Link& link : chart.links) {
    links.push_back({link.from, link.to, rounded(link.share), link.text});
  }
  return {{"type", "graph"},
          {"scale", chart.scale},
          {"kinds", chart.kinds},
          {"nodes", nodes},
          {"links", links}};
}

Json json_of(const Parallel& chart) {
  Json axes = Json::array(), lines = Json::array();
  for (const Parallel::Axis& axis : chart.axes)
    axes.push_back({{"name", axis.name}, {"bottom", axis.bottom}, {"top", axis.top}});
  for (const Parallel::Line& line : chart.lines) {
    Json at = Json::array();
    for (const std::optional<double>& share : line.at)
      at.push_back(share ? Json(rounded(*share)) : Json());
    lines.push_back({{"kind", line.kind}, {"at", at}, {"texts", line.texts}});
  }
  return {{"type", "parallel"}, {"kinds", chart.kinds}, {"axes", axes}, {"lines", lines}};
}

Json json_of(const std::monostate&) {
  return nullptr;
}

Json json_of(const Figure& figure) {
  Json table = nullptr;
  if (figure.table) table = {{"columns", figure.table->columns}, {"rows", figure.table->rows}};
  return {{"title", figure.title},
          {"sentence", figure.sentence},
          {"note", figure.note},
          {"chart", std::visit([](const auto& chart) { return json_of(chart); }, figure.chart)},
          {"table", table}};
}

// Runs of `each` names: "0 to 3".
std::vector<std::string> joined(const std::vector<std::string>& names, std::size_t each) {
  std::vector<std::string> runs;
  for (std::size_t i = 0; i < names.size(); i += each) {
    const std::size_t last = std::min(i + each, names.size()) - 1;
    runs.push_back(last == i ? names[i] : names[i] + " to " + names[last]);
  }
  return runs;
}

}  // namespace

Json to_json(const Page& page, const Json& report) {
  Json sections = Json::array();
  for (const Section& section : page.sections) {
    Json figures = Json::array();
    for (const Figure& figure : section.figures) figures.push_back(json_of(figure));
    sections.push_back({{"title", section.title}, {"text", section.text}, {"figures", figures}});
  }
  return {{"kind", page.kind},     {"title", page.title},       {"what", page.what},
          {"answer", page.answer}, {"warnings", page.warnings}, {"sections", sections},
          {"report", report}};
}

std::pair<Heat, std::string> binned(Heat map) {
  const std::size_t rows = map.rows.size(), columns = map.columns.size();
  const std::size_t tall = (rows + kMostHeatRows - 1) / kMostHeatRows;
  const std::size_t wide = (columns + kMostHeatColumns - 1) / kMostHeatColumns;
  if (tall <= 1 && wide <= 1) return {std::move(map), ""};
  Heat small{.x = map.x,
             .y = map.y,
             .unit = map.unit,
             .columns = joined(map.columns, wide),
             .rows = joined(map.rows, tall),
             .values = {},
             .log2 = map.log2};
  for (std::size_t r = 0; r < rows; r += tall) {
    for (std::size_t c = 0; c < columns; c += wide) {
      double sum = 0, count = 0;
      for (std::size_t y = r; y < std::min(r + tall, rows); ++y) {
        for (std::size_t x = c; x < std::min(c + wide, columns); ++x) {
          sum += map.values[y * columns + x];
          ++count;
        }
      }
      small.values.push_back(sum / count);
    }
  }
  return {std::move(small),
          fmt::format("A cell is the mean of {} x {} of {} x {}.", tall, wide, rows, columns)};
}

}  // namespace moesim::tools
