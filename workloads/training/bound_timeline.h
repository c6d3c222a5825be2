// The timeline of a graph whose exchanges take their closed form: operations one by one, in the
// order in which they were added, without events. What sim::execute gives on hardware's BoundModel,
// to the picosecond.
#pragma once

#include "hardware/network/bound_clocks.h"
#include "sim/op_graph.h"
#include "sim/timeline.h"

namespace moesim::workloads {

// REQUIRES: nothing that waits for a part of an exchange was added before its last part
sim::Timeline bound_timeline(const sim::OpGraph& graph, hardware::BoundClocks& network);

}  // namespace moesim::workloads
