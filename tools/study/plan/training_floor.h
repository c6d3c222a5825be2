// What no step of training can be shorter than, and no GPU of it keep less than, by arithmetic.
//
// A stage's passes take their FLOP at the device's fastest datasheet rate, shared evenly by the
// tp x cp ranks that work on a micro-batch:
//
//   F = f     B = f + core (+ layers' f where they are computed again)     W = f - core
//
// with f the forward FLOP of a token in the stage's layers and head (the router's left out) and
// core those of attention among them. The schedule is played on these times with nothing sent: in
// a fixed order every pass starts when others are done, so that longer passes end no earlier.
// zb_v fills its order by the passes' times; of it a step is what its fullest rank works.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/deployment/deployment.h"
#include "workloads/training/question.h"

namespace moesim::tools {

struct TrainingFloor {
  double step_s = 0;  // 0: not bounded (a model with an encoder)
  // A GPU of the fullest pipeline rank, were all experts alike: micro-batches in flight follow from
  // the schedule's order (zb_v: one at least).
  std::int64_t bytes = 0, capacity = 0;
};

// REQUIRES: check(deployment, question) finds nothing
TrainingFloor floor_of(const workloads::Deployment& deployment,
                       const workloads::TrainingQuestion& question);

}  // namespace moesim::tools
