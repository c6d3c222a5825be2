// A heat map as SVG text that stands alone.
#pragma once

#include <string>
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

}  // namespace moesim::tools
