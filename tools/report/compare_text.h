// A comparison for a terminal, and as JSON.
#pragma once

#include <string>

#include "sim/io/json.h"
#include "tools/study/compare.h"

namespace moesim::tools {

// `compare`'s own object: metric, names, a, b and difference_us, where[], why[], keys[], figures[],
// flags[].
sim::io::Json to_json(const Comparison& comparison, const std::string& a, const std::string& b);

// The reports tell of ranks, experts and links what the difference does not.
std::string compare_text(const Comparison& comparison, const std::string& a, const std::string& b,
                         const sim::io::Json& report_a, const sim::io::Json& report_b);

// "B is 18.2 % slower than A: 14.68 ms against 12.42 ms, +2.26 ms"
std::string difference_text(const sim::io::Json& compare);

// "+1.32 ms", "-532 ns"; of a comparison's picoseconds.
std::string signed_time(std::int64_t ps);

}  // namespace moesim::tools
