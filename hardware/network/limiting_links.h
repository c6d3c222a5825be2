// Which links can ever limit a flow that the other links of its path would let pass faster: one
// whose inputs together cannot fill it, or that has one output as narrow as itself, cannot.
#pragma once

#include <vector>

#include "hardware/network/topology.h"

namespace moesim::hardware {

// Of each link. Time and memory grow as the links do, however many meet at one switch.
std::vector<bool> links_that_can_limit(const Topology& topology);

}  // namespace moesim::hardware
