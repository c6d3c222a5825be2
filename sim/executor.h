// Plays an op graph on an engine.
#pragma once

#include "sim/engine.h"
#include "sim/op_graph.h"
#include "sim/timeline.h"

namespace moesim::sim {

// Runs every operation as soon as it may start; exchanges are played by `network`, which works on
// the same engine. Operations that become ready at one instant start in the order in which what
// they waited for ended, and at equal times in the order they were added. Throws DeadlockError that
// names what is stuck: "no event is left but these operations are not done: rank 3 dispatch L7
// (started, never finished) …". REQUIRES: the engine has no other events pending; its clock is
// where the timeline starts
Timeline execute(const OpGraph& graph, Engine& engine, ExchangeModel& network);

}  // namespace moesim::sim
