// What a topology is worth: who reaches whom, and how much passes between its halves.
#pragma once

#include <string>
#include <vector>

#include "hardware/network/topology.h"

namespace moesim::hardware {

// "no path from gpu3 to gpu9: with node0.nic3->leaf0.3 down, gpu3 reaches 7 of 15 other devices".
std::string describe_cut(const Topology& topology, VertexId from, VertexId to);

// Throws InfeasibleError with describe_cut where some device does not reach some other.
void check_reachable(const Topology& topology);

// The most that one half of the ranks (the first half of the nodes) can send to the other at once:
// a maximum flow.
sim::Bandwidth bisection(const Topology& topology);

// All links of a kind in one direction away from the devices.
struct LevelCapacity {
  LinkKind kind;
  std::size_t links = 0;    // both directions
  sim::Bandwidth capacity;  // of all of them, each way
};
std::vector<LevelCapacity> level_capacities(const Topology& topology);

}  // namespace moesim::hardware
