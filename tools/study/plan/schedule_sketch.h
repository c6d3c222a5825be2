// A schedule by a few of its micro-batches: how stages lie on ranks, how many micro-batches a rank
// has in flight, and what a step of any number of them is not shorter than.
//
// In a fixed order a rank goes forward as far as the schedule lets it and then by turns, so that
// most are in flight early: four micro-batches a rank of the pipeline tell it (of gpipe, which
// keeps all, all).
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "workloads/placement/parallelism.h"
#include "workloads/training/play_schedule.h"
#include "workloads/training/question.h"

namespace moesim::tools {

struct ScheduleSketch {
  workloads::PipelineSchedule schedule = {};  // of `micro_batches`
  std::int64_t micro_batches = 0;
  // Of each rank, in whole ranks' worth, at its fullest; of zb_v, whose order follows from times,
  // one chunk.
  std::vector<double> in_flight = {};
  bool weights_apart = false;  // some of their gradients are passes of their own
};

// Of many questions, each once.
class ScheduleSketches {
 public:
  // REQUIRES: the layout admits the question's schedule
  const ScheduleSketch& of(const workloads::TrainingQuestion& question,
                           const workloads::Parallelism& layout);

 private:
  // Name, ranks, micro-batches, chunks, those taken by chunk, whether passes are woven.
  std::map<std::tuple<int, std::int64_t, std::int64_t, std::int64_t, std::int64_t, bool>,
           ScheduleSketch>
      known_;
};

// What a step of so many micro-batches is not shorter than, whatever the order of passes:
//
//   max over ranks of   forward passes of the stages before the nearest of the rank's
//                     + all passes of the rank's own stages
//                     + backward passes of those stages, where weights are not apart
//
// since nothing comes to a rank sooner, and from there a micro-batch goes back through those
// stages. Of 1f1b on times of which one rank's are the longest throughout it is the step. With
// times of woven passes the rank's own passes are woven as often as the schedule has it: an
// estimate then.
sim::Duration least_step(const ScheduleSketch& sketch, std::int64_t micro_batches,
                         const workloads::ScheduleTimes& times);

}  // namespace moesim::tools
