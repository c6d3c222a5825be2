// What the routing of a step of training comes to: over all micro-batches of all pipelines,
// whatever schedule has them computed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workloads/training/chunk_table.h"

namespace moesim::workloads {

struct StepLoads {
  std::vector<LayerLoad> layers;  // ascending. Ranks are those of the expert group
  std::int64_t rows = 0;          // that experts compute; etp ranks share a row
  std::int64_t dropped = 0;       // selections over a capacity
  std::int64_t aligning = 0;      // rows beside `rows` that 8-bit products fill experts up with
};
StepLoads loads_of(const Deployment& deployment, const TrainingQuestion& question,
                   ChunkTable& chunks);

// Of experts whose capacity is filled up.
struct FilledCapacity {
  std::int64_t kept = 0;     // selections that have a row
  std::int64_t dropped = 0;  // that are over the capacity: as without filling up
  std::int64_t padding = 0;  // rows that no selection has
  std::string routing = {};  // whose selections those are
};
// `filled`: what experts compute, as loads_of() has it.
// REQUIRES: question.is_filled(). Throws as ChunkTable: here the deployment's own routing is drawn.
FilledCapacity filled_capacity(const Deployment& deployment, TrainingQuestion question,
                               const StepLoads& filled);

}  // namespace moesim::workloads
