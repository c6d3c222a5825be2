#include "workloads/training/step_time.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "workloads/training/pipeline_step.h"

namespace moesim::workloads {

using sim::Duration;
using sim::Time;

namespace {

Duration& of(ExposedTimes& times, Exposed kind) {
  return times[static_cast<std::size_t>(kind)];
}

class Stepper {
 public:
  Stepper(const Deployment& deployment, const TrainingQuestion& question,
          const PipelineSchedule& schedule, const DataParallel& replicas, ChunkTable& chunks)
      : schedule_(schedule),
        replicas_(replicas),
        chunks_(chunks),
        parts_(deployment, question, schedule, replicas, chunks) {}

  StepTime time() {
    StepTime step;
    PipelineStep::Meeting meeting = parts_.nobody_yet();
    Duration slowest{-1};
    std::size_t slowest_shift = 0;
    for (const std::size_t shift : parts_.shifts()) {
      PlayedSchedule played = play(schedule_, parts_.times(shift));
      parts_.note(played, meeting);
      if (played.step <= slowest) continue;
      slowest = played.step;
      slowest_shift = shift;
      step.pipeline = std::move(played);
    }
    finish(step, meeting.ranks, parts_.synced(meeting, step.pipeline, slowest_shift),
           slowest_shift);
    split_idle(step, slowest_shift);
    step.bubble_schedule_share = schedule_share(step.passes);
    return step;
  }

 private:
  void finish(StepTime& step, const std::vector<Time>& done, const std::vector<Time>& synced,
              std::size_t shift) {
    step.step = parts_.step(synced);
    const std::uint32_t p = schedule_.size();
    for (std::uint32_t r = 0; r < p; ++r) {
      std::vector<ChunkPass>& passes = step.passes.emplace_back();
      ExposedTimes exposed{};
      std::array<Duration, 4> computing{};  // F, B, W, FB
      for (const PlayedAction& a : step.pipeline.ranks[r]) {
        passes.push_back(parts_.chunk_of(r, a.action, shift));
        const PlayedChunk& chunk = chunks_.of(passes.back());
        Duration left = chunk.time;
        const auto shown = exposed_of(chunk);
        for (std::size_t i = 0; i < shown.size(); ++i) exposed[i] += shown[i], left -= shown[i];
        of(exposed, Exposed::Pipeline) += a.behind_send;
        const PipelineStep::Within within = parts_.sync_within(r, a.action, chunk);
        of(exposed, Exposed::Parameters) += within.gather;
        of(exposed, Exposed::Gradients) += within.reduce;
        computing[a.action.beside                                  ? 3
                  : a.action.pass.kind == PassKind::Forward        ? 0
                  : a.action.pass.kind == PassKind::BackwardWeight ? 2
                                                                   : 1] += left;
      }
      of(exposed, Exposed::Gradients) += synced[r] - done[r];
      of(exposed, Exposed::Parameters) += parts_.gather_after(r);
      const Duration optimizer = replicas_.zero(r) + replicas_.finalise(r) + replicas_.norm(r) +
                                 replicas_.barrier() + replicas_.adam(r);
      TrainingReport::RankRow row;
      Duration bubble = step.step - optimizer;
      for (std::size_t i = 0; i < exposed.size(); ++i) {
        row.exposed_us[i] = sim::to_us(exposed[i]);
        bubble -= exposed[i];
      }
      for (const Duration part : computing) bubble -= part;
      row.f_us = sim::to_us(computing[0]);
      row.b_us = sim::to_us(computing[1]);
      row.w_us = sim::to_us(computing[2]);
      row.fb_us = sim::to_us(computing[3]);
      row.optimizer_us = sim::to_us(optimizer);
      row.bubble_us = sim::to_us(bubble);
      step.ranks.push_back(row);
    }
  }

  // Of the idle time, what is only there because sends take time, and gathered parameters.
  void split_idle(StepTime& step, std::size_t shift) {
    ScheduleTimes times = parts_.times(shift);
    std::vector<Duration> before;
    for (std::uint32_t r = 0; r < schedule_.size(); ++r) before.push_back(step.pipeline.idle(r));
    const auto take = [&](Exposed kind) {
      const PlayedSchedule played = play(schedule_, times);
      for (std::uint32_t r = 0; r < schedule_.size(); ++r) {
        TrainingReport::RankRow& row = step.ranks[r];
        const double less = std::clamp(sim::to_us(before[r] - played.idle(r)), 0.0, row.bubble_us);
        row.bubble_us -= less;
        row.exposed_us[static_cast<std::size_t>(kind)] += less;
        before[r] = played.idle(r);
      }
    };
    if (times.send != Duration{}) {
      times.send = {};
      take(Exposed::Pipeline);
    }
    if (!times.ready.empty()) {
      times.ready.clear();
      take(Exposed::Parameters);
    }
    double sum = 0;
    for (const TrainingReport::RankRow& row : step.ranks) sum += row.bubble_us;
    step.bubble_share = sum / static_cast<double>(step.ranks.size()) / sim::to_us(step.step);
  }

  // The schedule with every stage's passes as long as the mean one's.
  double schedule_share(const std::vector<std::vector<ChunkPass>>& passes) const {
    std::array<Duration, 5> sums{};
    std::array<std::int64_t, 5> counts{};
    const auto kind_of = [](bool woven, PassKind kind) {
      return woven ? std::size_t{4} : static_cast<std::size_t>(kind);
    };
    for (const auto& rank : passes) {
      for (const ChunkPass& pass : rank) {
        const std::size_t kind = kind_of(pass.beside.has_value(), pass.kind);
        sums[kind] += chunks_.of(pass).time;
        ++counts[kind];
      }
    }
    ScheduleTimes times;
    times.of = [&](std::uint32_t, const Action& action) {
      const std::size_t kind = kind_of(action.beside.has_value(), action.pass.kind);
      return sums[kind] / std::max<std::int64_t>(1, counts[kind]);
    };
    const PlayedSchedule played = play(schedule_, times);
    Duration idle{};
    for (std::uint32_t r = 0; r < schedule_.size(); ++r) idle += played.idle(r);
    if (played.step == Duration{}) return 0;
    return static_cast<double>(idle.count()) /
           (static_cast<double>(played.step.count()) * schedule_.size());
  }

  const PipelineSchedule& schedule_;
  const DataParallel& replicas_;
  ChunkTable& chunks_;
  PipelineStep parts_;
};

}  // namespace

ScheduleName schedule_name(const TrainingQuestion& question) {
  return question.schedule.value_or(ScheduleName::OneFOneB);
}

ScheduleShape shape_of(const TrainingQuestion& question, const Parallelism& layout) {
  return {.ranks = layout.pp,
          .micro_batches = question.micro_batches(layout.dp),
          .chunks = question.virtual_stages,
          .group = question.micro_batch_group.value_or(0),
          .overlap_passes = question.overlap.expert};
}

PipelineSchedule schedule_of(const TrainingQuestion& question, const Parallelism& layout,
                             ChunkTable& chunks) {
  ScheduleShape shape = shape_of(question, layout);
  const ScheduleName name = schedule_name(question);
  if (name == ScheduleName::ZbV) {
    Duration forward{}, input{}, weight{};
    for (std::uint32_t s = 0; s < question.stages.size(); ++s) {
      forward += chunks.of({PassKind::Forward, s, 0}).time;
      input += chunks.of({PassKind::BackwardInput, s, 0}).time;
      weight += chunks.of({PassKind::BackwardWeight, s, 0}).time;
    }
    const auto stages = static_cast<std::int64_t>(question.stages.size());
    shape.forward = forward.count() / stages;
    shape.backward_input = input.count() / stages;
    shape.backward_weight = weight.count() / stages;
  }
  return make_schedule(name, shape);
}

StepTime time_step(const Deployment& deployment, const TrainingQuestion& question,
                   const PipelineSchedule& schedule, const DataParallel& replicas,
                   ChunkTable& chunks) {
  return Stepper(deployment, question, schedule, replicas, chunks).time();
}

}  // namespace moesim::workloads
