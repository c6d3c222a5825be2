#include <algorithm>

#include "workloads/training/schedules/schedules.h"

namespace moesim::workloads::schedules {
namespace {

// The eight parts of a DualPipe rank (deepseek-ai/DualPipe: dualpipe.py, dualpipev.py, `step`).
// `near` is the chunk whose micro-batches start nearer to the rank, `far` the other one; `place` is
// the rank's distance from that start, of `places`; `micro_batches` those of each chunk.
void write(RankWriter& rank, std::uint32_t near, std::int64_t place, std::int64_t places,
           std::int64_t micro_batches) {
  const std::uint32_t far = 1 - near;
  const std::int64_t inner = places - place - 1;  // ranks between it and the turning point
  const bool turns = inner == 0;
  for (std::int64_t i = 0; i < 2 * inner; ++i) rank.forward(near);
  for (std::int64_t i = 0; i < place + 1; ++i) {
    rank.forward(near);
    rank.forward(far);
  }
  for (std::int64_t i = 0; i < inner; ++i) {
    rank.backward_input(far);
    rank.weight();
    rank.forward(far);
  }
  for (std::int64_t i = 0; i < micro_batches - 2 * places + place + 1; ++i) {
    if (i == 0 && turns) {  // not woven: the bubble is smaller so
      rank.forward(near);
      rank.backward(far);
    } else {
      rank.both(near, far);
    }
    rank.both(far, near);
  }
  for (std::int64_t i = 0; i < inner; ++i) {
    rank.backward(far);
    rank.both(far, near);
  }
  // From half of the rest on, gradients of weights are put off to the end.
  bool late = false;
  const auto backward = [&](std::uint32_t chunk) {
    late ? rank.backward_input(chunk) : rank.backward(chunk);
  };
  const std::int64_t half = (place + 1) / 2;
  for (std::int64_t i = 0; i < place + 1; ++i) {
    if (i == half && place % 2 == 1) late = true;
    backward(far);
    if (i == half && place % 2 == 0) late = true;
    backward(near);
  }
  for (std::int64_t i = 0; i < inner; ++i) {
    rank.weight();
    rank.backward_input(near);
  }
  while (rank.owes()) rank.weight();
}

}  // namespace

PipelineSchedule dual_pipe(const ScheduleShape& shape) {
  PipelineSchedule schedule{.route = StageRoute::TwoWay, .chunks = 2};
  for (std::int64_t r = 0; r < shape.ranks; ++r) {
    RankWriter rank(2);
    const bool upper = r >= shape.ranks / 2;
    write(rank, upper ? 1 : 0, std::min(r, shape.ranks - 1 - r), shape.ranks / 2,
          shape.micro_batches / 2);
    schedule.ranks.push_back(std::move(rank).take());
  }
  return schedule;
}

PipelineSchedule dual_pipe_v(const ScheduleShape& shape) {
  PipelineSchedule schedule{.route = StageRoute::Vee, .chunks = 2};
  for (std::int64_t r = 0; r < shape.ranks; ++r) {
    RankWriter rank(2);
    write(rank, 0, r, shape.ranks, shape.micro_batches);
    schedule.ranks.push_back(std::move(rank).take());
  }
  return schedule;
}

}  // namespace moesim::workloads::schedules
