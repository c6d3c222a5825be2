// What each pipeline rank of a job keeps: the plan of workloads/memory with the stages and the
// schedule as they are played.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "workloads/training/step_time.h"

namespace moesim::workloads {

// Micro-batches in flight are those of the played schedule; where weights' gradients are passes of
// their own, what these need stays until they are done (memory/kept_for_weights.h). Two-way
// schedules hold two stages' weights, whose optimizer states lie over twice the replicas.
TrainingPlan memory_of(const Deployment& deployment, const TrainingQuestion& question,
                       const PipelineSchedule& schedule, const StepTime& step, ChunkTable& chunks);

// The same before a pass is played, were all experts alike: no less is possible. `in_flight`: of
// each rank, in whole ranks' worth.
TrainingPlan memory_of(const Deployment& deployment, const TrainingQuestion& question,
                       const PipelineSchedule& schedule, const std::vector<double>& in_flight);

// What would make a step fit that does not.
std::string advice_of(const Deployment& deployment, TrainingQuestion question,
                      const PipelineSchedule& schedule, const StepTime& step, ChunkTable& chunks,
                      const TrainingPlan& plan);

// Bytes of activations that a rank keeps, from an instant on: steps of a staircase. The busiest of
// its GPUs, as the plan's.
std::vector<std::pair<sim::Time, std::int64_t>> kept_over_time(
    const Deployment& deployment, const TrainingQuestion& question,
    const PipelineSchedule& schedule, const StepTime& step, ChunkTable& chunks, std::uint32_t rank);

}  // namespace moesim::workloads
