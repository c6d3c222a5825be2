#include <algorithm>

#include "workloads/training/schedules/schedules.h"

namespace moesim::workloads::schedules {

PipelineSchedule gpipe(const ScheduleShape& shape) {
  RankWriter rank(1);
  for (std::int64_t i = 0; i < shape.micro_batches; ++i) rank.forward(0);
  for (std::int64_t i = 0; i < shape.micro_batches; ++i) rank.backward(0);
  PipelineSchedule schedule;
  schedule.ranks.assign(static_cast<std::size_t>(shape.ranks), std::move(rank).take());
  return schedule;
}

PipelineSchedule one_f_one_b(const ScheduleShape& shape) {
  PipelineSchedule schedule;
  for (std::int64_t r = 0; r < shape.ranks; ++r) {
    RankWriter rank(1);
    // On one rank a forward pass may be woven with the backward pass before it.
    const bool woven = shape.overlap_passes && shape.ranks == 1;
    const std::int64_t ahead = std::min(shape.micro_batches, shape.ranks - r - 1 + (woven ? 1 : 0));
    for (std::int64_t i = 0; i < ahead; ++i) rank.forward(0);
    for (std::int64_t i = ahead; i < shape.micro_batches; ++i) {
      if (woven) {
        rank.both(0, 0);
        continue;
      }
      rank.forward(0);
      rank.backward(0);
    }
    for (std::int64_t i = 0; i < ahead; ++i) rank.backward(0);
    schedule.ranks.push_back(std::move(rank).take());
  }
  return schedule;
}

PipelineSchedule zb_h1(const ScheduleShape& shape) {
  PipelineSchedule schedule;
  for (std::int64_t r = 0; r < shape.ranks; ++r) {
    RankWriter rank(1);
    const std::int64_t ahead = std::min(shape.micro_batches, shape.ranks - r - 1);
    for (std::int64_t i = 0; i < ahead; ++i) rank.forward(0);
    for (std::int64_t i = 0; i < shape.micro_batches; ++i) {
      if (ahead + i < shape.micro_batches) rank.forward(0);
      rank.backward_input(0);
      if (i >= r) rank.weight();
    }
    while (rank.owes()) rank.weight();
    schedule.ranks.push_back(std::move(rank).take());
  }
  return schedule;
}

}  // namespace moesim::workloads::schedules
