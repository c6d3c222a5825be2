// The routing that an expert group is played with, and how many different steps there are of it.
#pragma once

#include <cstdint>

#include "workloads/deployment/deployment.h"
#include "workloads/step/micro_batch.h"
#include "workloads/training/question.h"

namespace moesim::workloads {

// One expert group of the deployment. `as_busy`: every expert takes as many selections, whatever
// the routing says.
Deployment routed_group(const Deployment& deployment, const TrainingQuestion& question,
                        bool as_busy);

bool is_balanced(const Deployment& group);

// Different steps of the routing, each of which `batch` is a micro-batch: 1 where it is balanced,
// all that a trace holds where the question asks for those. Throws ConfigError where those have no
// end or do not fill one; InputError for the trace.
std::uint32_t draws_of(const Deployment& group, const TrainingQuestion& question,
                       const MicroBatch& batch);

// Whether mixture layers of one kind differ by chance only: a draw of one is as good as another's.
bool is_alike(const Deployment& group);

}  // namespace moesim::workloads
