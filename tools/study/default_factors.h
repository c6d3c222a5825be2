// What a sensitivity is asked of where nothing is named.
#pragma once

#include <string_view>
#include <vector>

#include "tools/study/factor.h"
#include "workloads/scenario.h"

namespace moesim::tools {

// Of a scenario, as far as it has them: each cost model over its own 80 % interval (of a step, and
// where `measure` goes with its time); the links within a node, half to twice as fast, and each
// NIC, 200 to 1,600 Gbit/s, both even in the logarithm; the skew of a law, none to twice. May be
// empty: a service on one GPU has none of these.
std::vector<Factor> default_factors(const workloads::Scenario& scenario, std::string_view measure);

}  // namespace moesim::tools
