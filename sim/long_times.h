// Sums of times that may pass the end of the clock, 106 days, where 64 bits would turn negative.
#pragma once

#include <cstdint>

#include "sim/units.h"

namespace moesim::sim {

// For whoever meets such a time: the InfeasibleError that says so.
[[noreturn]] void throw_too_long();

// Throw InfeasibleError where the result would be kForever or more. REQUIRES: neither is negative
Duration long_sum(Duration a, Duration b);
Duration long_product(Duration a, std::int64_t times);

}  // namespace moesim::sim
