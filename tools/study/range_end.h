// An end of a range of a study: a number with a unit.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace moesim::tools {

struct RangeEnd {
  double number = 0;
  std::string unit = {};  // with the space before it; empty: none
  bool whole = false;     // digits alone
};

// "100 Gbit/s", "0.5", "64"; blanks around it do not count. Nothing where it is none, is below 0,
// or above 1e18.
std::optional<RangeEnd> read_range_end(std::string_view text);

// As a scenario says it: "612.5 Gbit/s"; a whole one without a fraction.
std::string range_end_text(double number, const std::string& unit, bool whole);

}  // namespace moesim::tools
