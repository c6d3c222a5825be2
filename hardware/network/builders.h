// From the description of a cluster to its links.
#pragma once

#include "hardware/cluster.h"
#include "hardware/network/topology.h"

namespace moesim::hardware {

// The links of a cluster whose fabric is not Listed, all of them up.
// Throws ConfigError where the numbers do not go together ("scale_out.nics_per_node: 3 NICs cannot
// be shared by 8 devices").
Topology build_topology(const Cluster& cluster);

}  // namespace moesim::hardware
