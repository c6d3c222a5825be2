// Slots that have a node but no rank yet.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "workloads/placement/eplb.h"

namespace moesim::workloads {

// A slot of a node: its expert, and the load that it is expected to get.
struct NodeSlot {
  ExpertId expert = 0;
  float load = 0;
};

// Gives each node's slots to its ranks, the heaviest to the lightest.
// REQUIRES: slots_of.size() divides plan.ranks; each node has plan.slots() / nodes slots
std::vector<ExpertId> pack_nodes(const std::vector<std::vector<NodeSlot>>& slots_of,
                                 const SlotPlan& plan);

// Throws ConfigError where experts, redundant slots or ranks do not divide over the nodes.
void check_nodes(const std::string& placement, const EplbShape& shape);

}  // namespace moesim::workloads
