// What a step scatters by: GPUs that are late (jitter.h), and how few draws of the routing stand
// for all of it. Both play the pipeline many times, on passes that are played already.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/units.h"
#include "workloads/training/step_time.h"

namespace moesim::workloads {

// The step again and again, as question.jitter says, in the order in which they are drawn. Every
// pipeline is played, those with the same routing, too. What a pass computes takes as long as its
// factor says; exchanges, collectives and the optimizer take what they take.
// REQUIRES: question.jitter.given()
std::vector<sim::Duration> late_steps(const Deployment& deployment,
                                      const TrainingQuestion& question,
                                      const PipelineSchedule& schedule,
                                      const DataParallel& replicas, ChunkTable& chunks);

// How far the step may be off because it was played with so few draws: the standard error of the
// mean of steps all of whose micro-batches have one draw. A woven pass is of its forward
// micro-batch's draw.
struct DrawsError {
  std::int64_t draws = 0;  // that the step's micro-batches took
  double us = 0;           // 0 with fewer than two
};
// REQUIRES: time_step() was asked the same of the table
DrawsError draws_error(const Deployment& deployment, const TrainingQuestion& question,
                       const PipelineSchedule& schedule, const DataParallel& replicas,
                       ChunkTable& chunks);

}  // namespace moesim::workloads
