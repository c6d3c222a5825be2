#include "tools/moesim/trace/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace moesim::tools {
namespace {

// From cold to hot over dead grey; index 0 is no load at all.
constexpr std::array kHeat{"#303030", "#2c3e73", "#34609f", "#5a8fc0", "#9cc3dd", "#e6e9e0",
                           "#f7d9a4", "#f2ae6b", "#e07b4a", "#c44536", "#8b1e2d"};
constexpr std::array kLines{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e",
                            "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22"};

std::size_t heat_class(double value) {
  if (value <= 0) return 0;
  const double x = std::clamp((std::log2(value) + 3) / 6, 0.0, 1.0);
  return 1 + std::min<std::size_t>(static_cast<std::size_t>(x * 10), 9);
}

struct Axis {
  double low = 0, high = 1;
  bool log = false;
  double place(double x) const {
    const double a = log ? std::log(low) : low, b = log ? std::log(high) : high;
    return b > a ? ((log ? std::log(x) : x) - a) / (b - a) : 0.5;
  }
  double at(double share) const {
    return log ? std::exp(std::log(low) + share * (std::log(high) - std::log(low)))
               : low + share * (high - low);
  }
};

Axis axis_of(const std::vector<Series>& series, bool second, bool log) {
  Axis axis{1e300, -1e300, log};
  for (const Series& one : series) {
    for (const auto& [x, y] : one.points) {
      const double value = second ? y : x;
      if (log && value <= 0) continue;
      axis.low = std::min(axis.low, value);
      axis.high = std::max(axis.high, value);
    }
  }
  if (axis.low > axis.high) return {log ? 1.0 : 0.0, log ? 10.0 : 1.0, log};
  if (second && !log) axis.low = std::min(axis.low, 0.0);
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
  const double height = top + cell_h * static_cast<double>(rows) + 52;
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
      "<text x=\"{:.0f}\" y=\"{:.0f}\">{}, {} to the right</text><text x=\"4\" "
      "y=\"{:.0f}\">{}</text>\n",
      left, bottom + 14, escaped(map.x_name), "0 first", top - 6, escaped(map.y_name));
  for (std::size_t i = 0; i < kHeat.size(); ++i) {
    text += fmt::format("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"26\" height=\"10\" fill=\"{}\"/>",
                        left + 26.0 * static_cast<double>(i), bottom + 22, kHeat[i]);
  }
  text += fmt::format(
      "<text x=\"{:.0f}\" y=\"{:.0f}\">none</text><text x=\"{:.0f}\" y=\"{:.0f}\">1/8</text><text "
      "x=\"{:.0f}\" y=\"{:.0f}\">mean</text><text x=\"{:.0f}\" y=\"{:.0f}\">8 "
      "times</text>\n</svg>\n",
      left, bottom + 44, left + 30, bottom + 44, left + 145, bottom + 44, left + 255, bottom + 44);
  return text;
}

std::string svg(const LineChart& chart) {
  const double left = 60, top = 34, w = 520, h = 260;
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
  for (int i = 0; i <= 4; ++i) {
    const double share = i / 4.0;
    text += fmt::format("<text x=\"{:.1f}\" y=\"{:.0f}\" text-anchor=\"middle\">{:.3g}</text>",
                        left + share * w, top + h + 14, x.at(share));
    text += fmt::format("<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.3g}</text>",
                        left - 4, top + h - share * h + 4, y.at(share));
    text += fmt::format("<path d=\"M{:.0f} {:.1f}h{:.0f}\" stroke=\"#ddd\"/>\n", left,
                        top + h - share * h, w);
  }
  text += fmt::format(
      "<text x=\"{:.1f}\" y=\"{:.0f}\" text-anchor=\"middle\">{}</text><text x=\"4\" "
      "y=\"{:.0f}\">{}</text>\n",
      left + w / 2, top + h + 32, escaped(chart.x_name), top - 6, escaped(chart.y_name));
  for (std::size_t s = 0; s < chart.series.size(); ++s) {
    std::string points;
    for (const auto& [px, py] : chart.series[s].points) {
      if ((chart.log_x && px <= 0) || (chart.log_y && py <= 0)) continue;
      points += fmt::format("{:.1f},{:.1f} ", left + x.place(px) * w, top + h - y.place(py) * h);
    }
    const char* colour = kLines[s % kLines.size()];
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
