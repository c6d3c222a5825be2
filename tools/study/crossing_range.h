// How far from where it was found a condition may begin or cease to hold, because cost models are
// off: "from 612 Gbit/s on (80 %: 540 to 730)".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sim/io/json.h"
#include "tools/study/break_even.h"
#include "tools/study/expression.h"

namespace moesim::tools {

// What was reported at one value of what is varied, by variant; one without a name where there are
// no variants.
struct AskedValue {
  std::map<std::string, sim::io::Json> reports = {};
  bool fits = true;  // else no condition on times holds
};

// What a key says of the reports: "A.step_time_us.mean" of variant A's.
std::optional<Value> value_in(const AskedValue& asked, std::string_view key);

struct CrossingRange {
  std::optional<double> low, high;  // nothing: beyond what was asked
};

// The tenth and the ninetieth percentile of where the condition changes as it does at the crossing,
// over draws of what the cost models are off by, each the same in all variants and at all values
// (doubt.h). Step times and tokens a second move with them; between values that were asked they lie
// on a line of logarithms. `asked`: by value. Nothing where it is what fits that changes, where a
// report does not say its doubts (services, training), or where the condition names neither a time
// nor a rate.
std::optional<CrossingRange> range_of(const Crossing& crossing,
                                      const std::map<double, AskedValue>& asked,
                                      const Expression& condition);

}  // namespace moesim::tools
