// How well a plan covers the shards of models, for people and tests.
#pragma once

#include "validation/calibrate/plan.h"

namespace moesim::validation {

// The worst ratio, in each direction, of what the models need to the nearest that is fitted on.
struct Coverage {
  double shapes = 1;   // of a tensor-parallel shard's n or k, to one product's n and k
  double rows = 1;     // of 1 ... 4096 rows an expert
  double active = 1;   // of the experts with rows: 1 ... the most that a GPU holds
  double experts = 1;  // of the experts that a GPU holds, at each ep that divides the model's

  double worst() const;
};
Coverage coverage(const cuda::Plan& plan, const PlanOptions& options);

}  // namespace moesim::validation
