// Two kinds of plot as SVG text that stands alone: a heat map and a line chart.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace moesim::tools {

// Text that is safe inside SVG and HTML.
std::string escaped(const std::string& text);

struct HeatMap {
  std::string title, x_name, y_name;
  std::vector<std::string> row_names;
  std::size_t columns = 0;
  std::vector<double> values;  // [rows x columns]: 1 is the mean; colours by log2, from 1/8 to 8
};
std::string svg(const HeatMap& map);

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;
};
struct LineChart {
  std::string title, x_name, y_name;
  std::vector<Series> series;
  bool log_x = false, log_y = false;  // log axes leave out what is not above zero
};
std::string svg(const LineChart& chart);

}  // namespace moesim::tools
