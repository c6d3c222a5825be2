// What the steps of a deployment take of each GPU's memory.
#pragma once

#include <cstdint>
#include <string>

#include "workloads/deployment/deployment.h"
#include "workloads/memory/serving_plan.h"
#include "workloads/step/batch.h"

namespace moesim::workloads {

// Of the dp rank that needs most for its part of `batch`. `expert_rows`: what the most loaded rank
// received in its worst layer; 0 without experts.
MemoryPlan plan_step_memory(const Deployment& deployment, const Batch& batch,
                            std::int64_t expert_rows);

// Of a plan that does not fit: what takes too much, and what would do.
std::string advice_of(const Deployment& deployment, const Batch& batch, const MemoryPlan& plan);

}  // namespace moesim::workloads
