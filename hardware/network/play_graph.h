// An op graph played on a cluster's links.
#pragma once

#include <vector>

#include "hardware/network/network_model.h"
#include "sim/op_graph.h"
#include "sim/timeline.h"

namespace moesim::hardware {

struct PlayedGraph {
  sim::Timeline timeline;
  std::vector<LinkUse> links;  // of all exchanges, in the topology's order
  // Parts of the graph, and those that were played; 1 and 1 where flows go over links.
  std::size_t parts = 1, played = 1;
};

// Where flows go by matrices (network_model.h) parts of the graph that are equal
// (sim/graph_parts.h), on ports of their own that are alike, are played once: they take the same
// time to the picosecond.
PlayedGraph play_graph(ClusterNetwork& network, const sim::OpGraph& graph, Fidelity fidelity,
                       double tolerance = kDefaultTolerance);

}  // namespace moesim::hardware
