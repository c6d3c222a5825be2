// What an iteration of a replica takes.
#pragma once

#include <span>

#include "workloads/serving/schedule/sequence.h"

namespace moesim::workloads::serving {

class IterationCost {
 public:
  virtual ~IterationCost() = default;
  // Of all its dp ranks, from the launch until the last one's tokens are there. `iteration` counts
  // the replica's iterations: the routing goes on with them.
  virtual sim::Duration of(std::span<const BatchPlan> ranks, std::int64_t iteration) = 0;
};

}  // namespace moesim::workloads::serving
