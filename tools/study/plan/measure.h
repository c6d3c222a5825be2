// What one engine carries within the targets, by runs of it: its capacity with the interval of its
// cost models, and whose time it rests on.
#pragma once

#include <optional>

#include "tools/study/plan/candidates.h"
#include "tools/study/plan/estimate.h"
#include "validation/confidence.h"
#include "workloads/memory/serving_plan.h"

namespace moesim::tools {

struct MeasuredEngine {
  validation::EngineCapacity capacity = {};  // 0 where no rate, or no batch, meets the targets
  RequestCount requests = {};                // of a run of one engine
  std::int64_t batch = 0;  // of steps: sequences, or tokens of prompts, of a dp rank
  double token_s = 0;      // a token's median time there; of steps: the step's mean
};

// Requests that make a run of one engine a steady state: five times as many as it holds at once, of
// which the first fifth is not measured; what the load says where it says how many; of a trace no
// more than it has.
RequestCount request_count(const workloads::serving::ServingQuestion& question,
                           const Estimate& estimate, bool counted);

// Anew with more requests where the first run shows that they were too few for what it found.
MeasuredEngine measure_service(const workloads::Deployment& deployment,
                               const workloads::serving::ServingQuestion& question,
                               const Estimate& estimate, bool counted);

// Most sequences (prompts) of a dp rank that memory holds, were all experts alike.
double most_in_memory(const workloads::Deployment& deployment, const StepLoad& load);

// The largest batch whose step, the mean of four draws of the routing, takes at most the target:
// what `moesim run` says of that step.
MeasuredEngine measure_steps(const workloads::Deployment& deployment, const StepLoad& load,
                             const Estimate& estimate, double target_s);

}  // namespace moesim::tools
