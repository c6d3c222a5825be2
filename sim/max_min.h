// Max-min fair rates: no flow's rate can be raised without lowering that of a flow which has no
// more. Progressive filling: raise all rates together; when a link fills up, freeze the flows on
// it.
//
// The plain function, for tests and small uses; FlowNetwork does the same for flows that come and
// go.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "sim/units.h"

namespace moesim::sim {

struct FlowPath {
  std::vector<std::uint32_t> links;  // indices into the capacities, each at most once
  Bandwidth limit{std::numeric_limits<double>::infinity()};  // of this flow alone
};

// The rate of each flow. A flow with no link has its limit. REQUIRES: every index is valid
std::vector<Bandwidth> max_min_rates(std::span<const Bandwidth> capacities,
                                     std::span<const FlowPath> flows);

}  // namespace moesim::sim
