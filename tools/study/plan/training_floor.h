// What no step of training can be shorter than, and no GPU of it keep less than, by arithmetic.
//
// A stage's passes take their FLOP at the device's fastest datasheet rate, shared evenly by the
// tp x cp ranks that work on a micro-batch:
//
//   F = f     B = f + core (+ layers' f where they are computed again)     W = f - core
//
// with f the forward FLOP of a token in the stage's layers and head (the router's left out) and
// core those of attention among them. With nothing sent, no order of these passes is shorter than
// least_step (schedule_sketch.h).
#pragma once

#include <cstdint>
#include <vector>

#include "tools/study/plan/schedule_sketch.h"
#include "workloads/deployment/deployment.h"
#include "workloads/model/counts.h"
#include "workloads/training/question.h"

namespace moesim::tools {

struct TrainingFloor {
  double step_s = 0;  // 0: not bounded (a model with an encoder)
  // A GPU of the fullest pipeline rank, were all experts alike: micro-batches in flight follow from
  // the schedule's order (zb_v: one at least).
  std::int64_t bytes = 0, capacity = 0;
};

// Of many runs that differ in layout, schedule, micro-batch and what is computed again: what they
// have in common is worked out once.
class TrainingFloors {
 public:
  // REQUIRES: check(deployment, question) finds nothing; a model and device as before
  TrainingFloor of(const workloads::Deployment& deployment,
                   const workloads::TrainingQuestion& question);

 private:
  workloads::ScheduleTimes times_of(const workloads::Deployment& deployment,
                                    const workloads::TrainingQuestion& question) const;

  ScheduleSketches sketches_;
  std::vector<workloads::TokenFlops> kinds_;  // a layer of each, forward
  double peak_ = 0;                           // FLOP a second
};

// Of one.
TrainingFloor floor_of(const workloads::Deployment& deployment,
                       const workloads::TrainingQuestion& question);

}  // namespace moesim::tools
