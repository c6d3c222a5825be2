#include "tools/moesim/trace/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace moesim::tools {
namespace {

// From cold to hot; index 0 is no load at all, which stands out from a low one.
constexpr std::array kHeat{"#000000", "#3f5fb5", "#5580c4", "#7aa5d6", "#aacde6", "#e6e9e0",
                           "#f7d9a4", "#f2ae6b", "#e07b4a", "#c44536", "#8b1e2d"};
constexpr std::array kLines{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e",
                            "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22"};

constexpr std::size_t kMostMarked = 16;  // points of a line that are drawn one by one

std::size_t heat_class(double value) {
  if (value <= 0) return 0;
  const double x = std::clamp((std::log2(value) + 3) / 6, 0.0, 1.0);
  return 1 + std::min<std::size_t>(static_cast<std::size_t>(x * 10), 9);
}

struct Axis {
  double low = 0, high = 1;
  bool log = false;
  bool whole = false;  // marked at whole numbers only
  double place(double x) const {
    const double a = log ? std::log(low) : low, b = log ? std::log(high) : high;
    return b > a ? ((log ? std::log(x) : x) - a) / (b - a) : 0.5;
  }
  double at(double share) const {
    return log ? std::exp(std::log(low) + share * (std::log(high) - std::log(low)))
               : low + share * (high - low);
  }
};

// 1, 2 or 5 times a power of ten, at least `least`.
double round_step(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double digit : {1.0, 2.0, 5.0}) {
    if (digit * power >= least * (1 - 1e-9)) return digit * power;
  }
  return 10 * power;
}

// Round numbers on the axis: about five.
std::vector<double> ticks_of(const Axis& axis) {
  std::vector<double> ticks;
  if (!(axis.high > axis.low)) return {axis.low};
  if (axis.log && axis.high > 4 * axis.low) {
    const double decades = std::log10(axis.high / axis.low);
    const bool wide = decades > 3;
    const double factor = wide ? std::pow(10, std::ceil(decades / 6)) : decades > 1 ? 4 : 2;
    double tick = wide ? std::pow(10, std::ceil(std::log10(axis.low) - 1e-9)) : axis.low;
    if (!wide) tick = std::exp2(std::ceil(std::log2(axis.low) - 1e-9));
    for (; tick <= axis.high * (1 + 1e-9); tick *= factor) ticks.push_back(tick);
    return ticks;
  }
  const double step = round_step(std::max((axis.high - axis.low) / 5, axis.whole ? 1.0 : 0.0));
  for (double i = std::ceil(axis.low / step - 1e-9) + 0.0; i * step <= axis.high + 1e-9 * step; ++i)
    ticks.push_back(i * step);
  return ticks;
}

Axis axis_of(const std::vector<Series>& series, bool second, bool log) {
  Axis axis{1e300, -1e300, log, true};
  for (const Series& one : series) {
    for (const auto& [x, y] : one.points) {
      const double value = second ? y : x;
      if (log && value <= 0) continue;
      axis.low = std::min(axis.low, value);
      axis.high = std::max(axis.high, value);
      axis.whole = axis.whole && value == std::floor(value);
    }
  }
  if (axis.low > axis.high) return {log ? 1.0 : 0.0, log ? 10.0 : 1.0, log, false};
  if (second && !log) {
    axis.low = std::min(axis.low, 0.0);
    if (axis.high > axis.low) {
      const double step = round_step((axis.high - axis.low) / 5);
      axis.high = std::ceil(axis.high / step - 1e-9) * step;
    }
  }
  return axis;
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string svg(const HeatMap& map) {
  const std::size_t rows = map.row_names.size();
  const double cell_w = std::clamp(900.0 / static_cast<double>(map.columns), 1.0, 24.0);
  const double cell_h = std::clamp(600.0 / static_cast<double>(rows), 6.0, 24.0);
  const double left = 60, top = 34;
  const double width = left + cell_w * static_cast<double>(map.columns) + 10;
  const double height = top + cell_h * static_cast<double>(rows) + 66;
  std::string text = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" width=\"{:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n"
      "<text x=\"{:.0f}\" y=\"16\" font-size=\"13\">{}</text>\n",
      width, height, width, left, escaped(map.title));
  // One path a colour: a cell is a few bytes.
  std::array<std::string, kHeat.size()> cells;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < map.columns; ++c) {
      cells[heat_class(map.values[r * map.columns + c])] += fmt::format("M{} {}h1v1h-1z", c, r);
    }
  }
  text += fmt::format(
      "<g transform=\"translate({:.0f} {:.0f}) scale({:.3f} {:.3f})\" "
      "shape-rendering=\"crispEdges\">",
      left, top, cell_w, cell_h);
  for (std::size_t i = 0; i < kHeat.size(); ++i) {
    if (!cells[i].empty()) text += fmt::format("<path fill=\"{}\" d=\"{}\"/>", kHeat[i], cells[i]);
  }
  text += "</g>\n";
  const std::size_t every = rows > 40 ? 5 : 1;
  for (std::size_t r = 0; r < rows; r += every) {
    text += fmt::format("<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", left - 4,
                        top + cell_h * (static_cast<double>(r) + 0.8), escaped(map.row_names[r]));
  }
  const double bottom = top + cell_h * static_cast<double>(rows);
  text += fmt::format(
      "<text x=\"{:.1f}\" y=\"{:.0f}\" text-anchor=\"middle\">{}</text><text x=\"4\" "
      "y=\"{:.0f}\">{}</text>\n",
      left + cell_w * static_cast<double>(map.columns) / 2, bottom + 28, escaped(map.x_name),
      top - 6, escaped(map.y_name));
  for (const double column : ticks_of({0, static_cast<double>(map.columns) - 1, false, true})) {
    text += fmt::format("<text x=\"{:.1f}\" y=\"{:.0f}\" text-anchor=\"middle\">{}</text>",
                        left + cell_w * (column + 0.5), bottom + 13, column);
  }
  for (std::size_t i = 0; i < kHeat.size(); ++i) {
    text += fmt::format("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"26\" height=\"10\" fill=\"{}\"/>",
                        left + 26.0 * static_cast<double>(i), bottom + 36, kHeat[i]);
  }
  text += fmt::format(
      "<text x=\"{:.0f}\" y=\"{:.0f}\">dead</text><text x=\"{:.0f}\" y=\"{:.0f}\">1/8</text><text "
      "x=\"{:.0f}\" y=\"{:.0f}\">mean</text><text x=\"{:.0f}\" y=\"{:.0f}\">8 "
      "times</text>\n</svg>\n",
      left, bottom + 58, left + 30, bottom + 58, left + 145, bottom + 58, left + 255, bottom + 58);
  return text;
}

std::string svg(const LineChart& chart) {
  const double left = 60, top = 46, w = 520, h = 260;
  const Axis x = axis_of(chart.series, false, chart.log_x),
             y = axis_of(chart.series, true, chart.log_y);
  const bool legend = chart.series.size() > 1 && chart.series.size() <= kLines.size();
  std::string text = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" width=\"{:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n"
      "<text x=\"{:.0f}\" y=\"16\" font-size=\"13\">{}</text>\n"
      "<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" fill=\"none\" "
      "stroke=\"#888\"/>\n",
      left + w + 220, top + h + 44, left + w + 220, left, escaped(chart.title), left, top, w, h);
  for (const double tick : ticks_of(x)) {
    const double at = left + x.place(tick) * w;
    text += fmt::format("<text x=\"{:.1f}\" y=\"{:.0f}\" text-anchor=\"middle\">{:.4g}</text>", at,
                        top + h + 14, tick);
    text += fmt::format("<path d=\"M{:.1f} {:.0f}v{:.0f}\" stroke=\"#eee\"/>\n", at, top, h);
  }
  for (const double tick : ticks_of(y)) {
    const double at = top + h - y.place(tick) * h;
    text += fmt::format("<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.4g}</text>",
                        left - 4, at + 4, tick);
    text += fmt::format("<path d=\"M{:.0f} {:.1f}h{:.0f}\" stroke=\"#ddd\"/>\n", left, at, w);
  }
  text += fmt::format(
      "<text x=\"{:.1f}\" y=\"{:.0f}\" text-anchor=\"middle\">{}</text><text x=\"4\" "
      "y=\"{:.0f}\">{}</text>\n",
      left + w / 2, top + h + 32, escaped(chart.x_name), top - 12, escaped(chart.y_name));
  for (std::size_t s = 0; s < chart.series.size(); ++s) {
    if (chart.series[s].points.empty()) continue;
    const char* colour = kLines[s % kLines.size()];
    const bool marked = chart.series[s].points.size() <= kMostMarked;
    std::string points;
    for (const auto& [px, py] : chart.series[s].points) {
      if ((chart.log_x && px <= 0) || (chart.log_y && py <= 0)) continue;
      const double at_x = left + x.place(px) * w, at_y = top + h - y.place(py) * h;
      points += fmt::format("{:.1f},{:.1f} ", at_x, at_y);
      if (marked) {
        text += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"{}\"/>", at_x,
                            at_y, colour);
      }
    }
    text += fmt::format(
        "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.3\" stroke-opacity=\"0.8\" "
        "points=\"{}\"/>\n",
        colour, points);
    if (legend) {
      const double at = top + 10 + 16 * static_cast<double>(s);
      text += fmt::format(
          "<path d=\"M{:.0f} {:.0f}h18\" stroke=\"{}\" stroke-width=\"2\"/><text x=\"{:.0f}\" "
          "y=\"{:.0f}\">{}</text>\n",
          left + w + 10, at, colour, left + w + 32, at + 4, escaped(chart.series[s].name));
    }
  }
  return text + "</svg>\n";
}

}  // namespace moesim::tools
