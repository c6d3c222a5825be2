// Numbers of a report as text, each form in one place.
#pragma once

#include <string>

namespace moesim::tools {

std::string time_text(double us);        // "12.42 ms"
std::string while_text(double seconds);  // "38.5 min": of what a clock on the wall measures
std::string bytes_text(double bytes);    // "63.96 GB"
std::string percent_text(double share);  // "38.5 %"
std::string factor_text(double factor);  // "1.31"
std::string count_text(double count);    // "20,616"

// The unit that suits a time, for the axis of a chart.
struct TimeUnit {
  const char* name = "us";
  double us = 1;
};
TimeUnit time_unit(double largest_us);

}  // namespace moesim::tools
