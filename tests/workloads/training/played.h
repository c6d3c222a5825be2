// Schedules played on equal stages, times in picoseconds.
#pragma once

#include <cstdint>

#include "sim/check.h"
#include "workloads/training/play_schedule.h"

namespace moesim::testing {

struct ChunkTimes {
  std::int64_t forward = 1, input = 1, weight = 1;
  std::int64_t woven = 0;  // of a forward and a backward pass; 0: their sum
};

inline workloads::ScheduleTimes equal_stages(std::uint32_t stages, const ChunkTimes& t) {
  workloads::ScheduleTimes times;
  times.stages.assign(stages, {.forward = sim::Duration(t.forward),
                               .backward_input = sim::Duration(t.input),
                               .backward_weight = sim::Duration(t.weight),
                               .backward = sim::Duration(t.input + t.weight)});
  if (t.woven > 0) times.woven.assign(std::size_t{stages} * stages, sim::Duration(t.woven));
  return times;
}

inline workloads::PlayedSchedule played(workloads::ScheduleName name,
                                        workloads::ScheduleShape shape, const ChunkTimes& t) {
  shape.forward = t.forward;
  shape.backward_input = t.input;
  shape.backward_weight = t.weight;
  const auto schedule = workloads::make_schedule(name, shape);
  return workloads::play(schedule, equal_stages(schedule.stages(), t));
}

inline std::int64_t step_of(workloads::ScheduleName name, const workloads::ScheduleShape& shape,
                            const ChunkTimes& t) {
  return played(name, shape, t).step.count();
}

}  // namespace moesim::testing
