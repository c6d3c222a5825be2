// What a sensitivity is asked of: a key of a scenario and where its value may lie.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace moesim::tools {

struct Factor {
  std::string key = {};
  // Either these, all as likely, in their order ...
  std::vector<std::string> values = {};
  // ... or what lies between two ends, as likely everywhere: even, or even in the logarithm.
  double low = 0, high = 0;
  std::string unit = {};  // of both, with the space before it; empty: none
  bool whole = false, logarithmic = false;
};

//   KEY=LOW..HIGH     between two quantities of one unit, whole numbers where both ends are
//   KEY=LOW..HIGH~    even in the logarithm
//   KEY=a,b,c         the values of axis.h: also 1..256*2, 0..1+0.25, 50..800~9
//   factor.MODEL      a cost model (model_factor.h)
// Throws ConfigError: `where: …`.
Factor read_factor(std::string_view text, const std::string& where);

// The same, but for cost models.
Factor read_range_or_list(std::string_view text, const std::string& where);

// As a scenario says it: the value below which a part `u` of all lies. 0 is the lowest, 1 the
// highest. REQUIRES: 0 <= u <= 1
std::string value_at(const Factor& factor, double u);

}  // namespace moesim::tools
