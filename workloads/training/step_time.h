// A step of training on its pipeline (level 2): the schedule's actions with what passes of stages
// take, sends, then what replicas owe each other, the gradient norm's barrier and the optimizer.
//
// Replicas of the expert group differ by which draw of the routing their micro-batches take:
// micro-batch i of replica e takes draw (i + 3 e) mod draws. What is told of ranks is of the
// replica whose pipeline takes longest, the first of those.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/training/chunk_table.h"
#include "workloads/training/data_parallel.h"
#include "workloads/training/play_schedule.h"
#include "workloads/training/training_report.h"

namespace moesim::workloads {

struct StepTime {
  sim::Duration step{};
  PlayedSchedule pipeline;                     // of that replica
  std::vector<std::vector<ChunkPass>> passes;  // [rank][action] of it
  std::vector<TrainingReport::RankRow> ranks;
  double bubble_share = 0, bubble_schedule_share = 0;
};

// The schedule of a question; zb_v is built on what passes take.
PipelineSchedule schedule_of(const TrainingQuestion& question, const Parallelism& layout,
                             ChunkTable& chunks);

StepTime time_step(const Deployment& deployment, const TrainingQuestion& question,
                   const PipelineSchedule& schedule, const DataParallel& replicas,
                   ChunkTable& chunks);

// What a schedule is asked for; `none` is 1f1b on one rank.
ScheduleName schedule_name(const TrainingQuestion& question);
ScheduleShape shape_of(const TrainingQuestion& question, const Parallelism& layout);

}  // namespace moesim::workloads
