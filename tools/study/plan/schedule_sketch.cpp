#include "tools/study/plan/schedule_sketch.h"

#include <algorithm>
#include <limits>

#include "workloads/training/step_time.h"

namespace moesim::tools {
namespace {

using sim::Duration;
using workloads::Action;
using workloads::PassKind;
using workloads::PipelineSchedule;
using workloads::ScheduleName;
using workloads::ScheduleTimes;
using workloads::StageRoute;
using workloads::StageTimes;

constexpr std::int64_t kEachRank = 4;  // micro-batches

// In flight is a matter of order: times are none.
std::int64_t most_in_flight(const PipelineSchedule& schedule, std::uint32_t rank) {
  workloads::PlayedSchedule order;
  order.ranks.resize(1);
  for (const Action& action : schedule.ranks[rank]) order.ranks[0].push_back({action, {}, {}, {}});
  return order.most_in_flight(0, false);
}

bool has_weights_apart(const PipelineSchedule& schedule) {
  return std::ranges::any_of(schedule.ranks, [](const std::vector<Action>& rank) {
    return std::ranges::any_of(
        rank, [](const Action& action) { return action.pass.kind == PassKind::BackwardWeight; });
  });
}

Duration all_of(const StageTimes& times) {
  return times.forward + times.backward;
}

// What the rank's own passes take, none of them woven.
Duration busy(const PipelineSchedule& schedule, std::uint32_t rank, std::int64_t micro_batches,
              const ScheduleTimes& times) {
  Duration sum{};
  for (std::uint32_t c = 0; c < schedule.chunks; ++c)
    sum += all_of(times.stages[schedule.stage({rank, c})]);
  // Either copy of a stage has half of them.
  return schedule.route == StageRoute::TwoWay ? sum * micro_batches / 2 : sum * micro_batches;
}

// What weaving saves of that.
Duration saved(const ScheduleSketch& sketch, std::uint32_t rank, std::int64_t micro_batches,
               const ScheduleTimes& times) {
  const PipelineSchedule& s = sketch.schedule;
  Duration sum{};
  std::int64_t woven = 0;
  for (const Action& action : s.ranks[rank]) {
    if (!action.beside) continue;
    const std::uint32_t f = s.stage({rank, action.pass.chunk}),
                        b = s.stage({rank, action.beside->chunk});
    sum += times.stages[f].forward + times.stages[b].backward -
           times.woven[f * times.stages.size() + b];
    ++woven;
  }
  if (woven == 0) return {};
  const std::int64_t each = s.route == StageRoute::TwoWay ? 1 : s.chunks;
  return sum + sum / woven * ((micro_batches - sketch.micro_batches) * each);
}

}  // namespace

const ScheduleSketch& ScheduleSketches::of(const workloads::TrainingQuestion& q,
                                           const workloads::Parallelism& layout) {
  workloads::ScheduleShape shape = workloads::shape_of(q, layout);
  const ScheduleName name = workloads::schedule_name(q);
  if (name != ScheduleName::GPipe) {
    std::int64_t some = kEachRank * shape.ranks;
    // Whole groups.
    if (shape.group > 0)
      some = std::max<std::int64_t>(2, (some + shape.group - 1) / shape.group) * shape.group;
    shape.micro_batches = std::min(shape.micro_batches, some);
  }
  const auto [found, is_new] =
      known_.try_emplace({static_cast<int>(name), shape.ranks, shape.micro_batches, shape.chunks,
                          shape.group, shape.overlap_passes});
  ScheduleSketch& sketch = found->second;
  if (!is_new) return sketch;
  sketch.schedule = workloads::make_schedule(name, shape);
  sketch.micro_batches = shape.micro_batches;
  sketch.weights_apart = has_weights_apart(sketch.schedule);
  for (std::uint32_t r = 0; r < sketch.schedule.size(); ++r) {
    const std::int64_t chunks = name == ScheduleName::ZbV ? 1 : most_in_flight(sketch.schedule, r);
    sketch.in_flight.push_back(static_cast<double>(chunks) / sketch.schedule.chunks);
  }
  return sketch;
}

Duration least_step(const ScheduleSketch& sketch, std::int64_t micro_batches,
                    const ScheduleTimes& times) {
  const PipelineSchedule& schedule = sketch.schedule;
  std::vector<Duration> before{Duration{}}, after{Duration{}};  // of each stage
  for (const StageTimes& stage : times.stages) {
    before.push_back(before.back() + stage.forward);
    after.push_back(after.back() + stage.backward);
  }
  Duration step{};
  for (std::uint32_t r = 0; r < schedule.size(); ++r) {
    std::uint32_t nearest = schedule.stage({r, 0});
    for (std::uint32_t c = 1; c < schedule.chunks; ++c)
      nearest = std::min(nearest, schedule.stage({r, c}));
    Duration rank = before[nearest] + busy(schedule, r, micro_batches, times);
    if (!sketch.weights_apart) rank += after[nearest];
    if (!times.woven.empty()) rank -= saved(sketch, r, micro_batches, times);
    step = std::max(step, rank);
  }
  return step;
}

}  // namespace moesim::tools
