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
std::size_t heat_class(double value) {
  if (value <= 0) return 0;
  const double x = std::clamp((std::log2(value) + 3) / 6, 0.0, 1.0);
  return 1 + std::min<std::size_t>(static_cast<std::size_t>(x * 10), 9);
}

// Round numbers from 0 to the last column: about five, whole.
std::vector<double> ticks_of(std::size_t columns) {
  const double last = static_cast<double>(columns) - 1;
  double step = 1;
  for (int digit = 0; step * 5 < last; digit = (digit + 1) % 3) step *= digit == 1 ? 2.5 : 2;
  std::vector<double> ticks;
  for (double tick = 0; tick <= last; tick += step) ticks.push_back(tick);
  return ticks;
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
  for (const double column : ticks_of(map.columns)) {
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

}  // namespace moesim::tools
