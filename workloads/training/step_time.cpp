#include "workloads/training/step_time.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "workloads/training/expert_group.h"

namespace moesim::workloads {

using sim::Duration;
using sim::Time;

namespace {

// Replicas of the routing are this many draws apart.
constexpr std::size_t kReplicaShift = 3;

Duration& of(std::array<Duration, kExposedNames.size()>& times, Exposed kind) {
  return times[static_cast<std::size_t>(kind)];
}

// What of a pass is an exchange that shows, by kind.
std::array<Duration, kExposedNames.size()> exposed_of(const PlayedChunk& chunk) {
  std::array<Duration, kExposedNames.size()> sum{};
  of(sum, Exposed::Expert) =
      chunk.exposed[index_of(Phase::Dispatch)] + chunk.exposed[index_of(Phase::Combine)];
  of(sum, Exposed::Tensor) = chunk.exposed[index_of(Phase::Collectives)];
  of(sum, Exposed::Context) = chunk.exposed[kContextPhase];
  // A rank that waits within a pass has nothing launched, or nothing to do.
  of(sum, Exposed::Host) = chunk.exposed[index_of(Phase::Host)] + chunk.idle;
  return sum;
}

bool is_backward(PassKind kind) {
  return kind != PassKind::Forward;
}
bool has_weights(PassKind kind) {
  return kind == PassKind::Backward || kind == PassKind::BackwardWeight;
}

// The backward part of an action, if it has one.
const Pass* backward_of(const Action& action) {
  if (action.beside) return &*action.beside;
  return is_backward(action.pass.kind) ? &action.pass : nullptr;
}

class Stepper {
 public:
  Stepper(const Deployment& deployment, const TrainingQuestion& question,
          const PipelineSchedule& schedule, const DataParallel& replicas, ChunkTable& chunks)
      : deployment_(deployment),
        question_(question),
        schedule_(schedule),
        replicas_(replicas),
        chunks_(chunks),
        micro_batches_(static_cast<std::size_t>(question.micro_batches(deployment.layout.dp))) {}

  StepTime time() {
    const Parallelism& p = deployment_.layout;
    const std::int64_t replicas = p.tp * p.cp * p.dp / group_ranks(p);
    ScheduleTimes times{.send = send(), .ready = ready()};
    std::set<std::size_t> shifts;
    Duration slowest{-1};
    std::vector<Time> done(schedule_.size());  // computing, of each rank, over all replicas
    std::vector<Time> synced(schedule_.size());
    stage_done_.assign(schedule_.stages(), Time{});
    StepTime step;
    std::size_t slowest_shift = 0;
    for (std::int64_t e = 0; e < replicas; ++e) {
      const std::size_t shift = kReplicaShift * static_cast<std::size_t>(e) % chunks_.draws();
      if (!shifts.insert(shift).second) continue;
      set_passes(times, shift);
      PlayedSchedule played = play(schedule_, times);
      note(played, done);
      if (played.step <= slowest) continue;
      slowest = played.step;
      slowest_shift = shift;
      step.pipeline = std::move(played);
    }
    for (std::uint32_t r = 0; r < schedule_.size(); ++r)
      synced[r] = std::max(done[r], reduced(r, step.pipeline, done[r], slowest_shift));
    finish(step, done, synced, slowest_shift);
    split_idle(step, times, slowest_shift);
    step.bubble_schedule_share = schedule_share(step.passes);
    return step;
  }

 private:
  std::uint32_t draw(const Pass& pass, std::size_t shift) const {
    // From the other end come other micro-batches.
    const std::size_t first =
        schedule_.route == StageRoute::TwoWay ? pass.chunk * micro_batches_ / 2 : 0;
    return static_cast<std::uint32_t>((first + pass.micro_batch + shift) % chunks_.draws());
  }
  ChunkPass chunk_of(std::uint32_t rank, const Action& action, std::size_t shift) const {
    ChunkPass pass{.kind = action.pass.kind,
                   .stage = schedule_.stage({rank, action.pass.chunk}),
                   .draw = draw(action.pass, shift)};
    if (action.beside)
      pass.beside = {.stage = schedule_.stage({rank, action.beside->chunk}),
                     .draw = draw(*action.beside, shift)};
    return pass;
  }

  void set_passes(ScheduleTimes& times, std::size_t shift) {
    times.of = [this, shift](std::uint32_t rank, const Action& action) {
      return time_of(rank, action, shift);
    };
    times.first_use = [this, shift](std::uint32_t rank, const Action& action) {
      return chunks_.of(chunk_of(rank, action, shift)).first_use;
    };
  }

  Duration time_of(std::uint32_t rank, const Action& action, std::size_t shift) {
    const PlayedChunk& chunk = chunks_.of(chunk_of(rank, action, shift));
    return chunk.time + sync_within(rank, action, chunk);
  }

  // What a pass waits for the parameters of its layers, and for the reduction of their gradients,
  // where that is done in every micro-batch.
  Duration sync_within(std::uint32_t rank, const Action& action, const PlayedChunk& chunk) const {
    if (question_.sharding == Sharding::Weights) {
      Duration moved{}, first{};
      const auto add = [&](const Pass& pass) {
        if (pass.kind == PassKind::BackwardWeight) return;
        const ChunkSync& sync = replicas_.of(rank, pass.chunk);
        const std::int64_t layers =
            std::max<std::int64_t>(1, question_.stages[schedule_.stage({rank, pass.chunk})].layers);
        const Duration own = sync.gather + (is_backward(pass.kind) ? sync.reduce : Duration{});
        moved += own;
        first += own / layers;
      };
      add(action.pass);
      if (action.beside) add(*action.beside);
      // A layer is a unit: the first one's parameters and the last one's gradients show, or what
      // the links cannot carry in the pass beside its exchanges.
      return std::max(first, moved + chunk.links - chunk.time);
    }
    const Pass* backward = backward_of(action);
    if (question_.sharding != Sharding::Gradients || question_.overlap.gradients ||
        backward == nullptr || !has_weights(backward->kind))
      return {};
    return replicas_.of(rank, backward->chunk).reduce;
  }

  // Of a chunk border between neighbours, the slowest.
  Duration send() const {
    const Parallelism& p = deployment_.layout;
    if (schedule_.size() == 1) return {};
    const RankLayout layout(p);
    const Communication communication(deployment_.cluster, deployment_.all_reduce,
                                      deployment_.tokens, deployment_.formats.dispatch,
                                      deployment_.formats.combine);
    const std::int64_t tokens = question_.micro_batch * question_.sequence / p.cp;
    const sim::Bytes bytes(2 * ((tokens + p.tp - 1) / p.tp) * deployment_.model.hidden);
    Duration slowest{};
    for (std::int64_t r = 0; r + 1 < p.pp; ++r)
      slowest = std::max(slowest, communication
                                      .send(layout.rank_of(DenseCoordinate{.pp = r}),
                                            layout.rank_of(DenseCoordinate{.pp = r + 1}), bytes)
                                      .alone);
    return slowest;
  }

  // Parameters that are gathered beside the first forward passes: a chunk starts with its first
  // piece.
  std::vector<std::vector<Duration>> ready() const {
    if (!question_.overlap.parameters || question_.sharding == Sharding::Weights) return {};
    std::vector<std::vector<Duration>> ready(schedule_.size());
    for (std::uint32_t r = 0; r < schedule_.size(); ++r) {
      Duration before{};
      for (std::uint32_t c = 0; c < schedule_.chunks; ++c) {
        const ChunkSync& sync = replicas_.of(r, c);
        ready[r].push_back(before + sync.gather / sync.pieces);
        before += sync.gather;
      }
    }
    return ready;
  }

  // When all replicas are done with a rank, and with the gradients of a stage.
  void note(const PlayedSchedule& played, std::vector<Time>& done) {
    for (std::uint32_t r = 0; r < schedule_.size(); ++r) {
      for (const PlayedAction& a : played.ranks[r]) {
        done[r] = std::max(done[r], a.end);
        const Pass* backward = backward_of(a.action);
        if (backward == nullptr || !has_weights(backward->kind)) continue;
        Time& stage = stage_done_[schedule_.stage({r, backward->chunk})];
        stage = std::max(stage, a.end);
      }
    }
  }

  // When a collective of a rank is done that starts then: it has what the exchanges of the passes
  // that it runs beside leave of the links.
  Time carried(std::uint32_t rank, const PlayedSchedule& played, Time now, Duration left,
               std::size_t shift) {
    for (const PlayedAction& a : played.ranks[rank]) {
      if (a.end <= now || left == Duration{}) continue;
      const Duration links = chunks_.of(chunk_of(rank, a.action, shift)).links;
      const Time start = std::max(a.start, now);
      if (now + left <= start || links == Duration{}) continue;
      left -= start - now;
      const double share = 1 - std::min(1.0, static_cast<double>(links.count()) /
                                                 static_cast<double>((a.end - a.start).count()));
      const Duration most(std::llround(share * static_cast<double>((a.end - start).count())));
      if (left <= most)
        return start + Duration(std::llround(static_cast<double>(left.count()) / share));
      left -= most;
      now = a.end;
    }
    return now + left;
  }

  // When a rank's gradients are reduced.
  Time reduced(std::uint32_t rank, const PlayedSchedule& played, Time done, std::size_t shift) {
    Time end{};
    const auto add = [&](Time from, Duration time) {
      end = carried(rank, played, std::max(end, from), time, shift);
    };
    const bool overlap = question_.overlap.gradients;
    if (question_.sharding == Sharding::Weights) return end;
    if (question_.sharding == Sharding::Gradients) {
      if (!overlap) return end;
      for (const PlayedAction& a : played.ranks[rank]) {
        const Pass* backward = backward_of(a.action);
        if (backward != nullptr && has_weights(backward->kind))
          add(a.end, replicas_.of(rank, backward->chunk).reduce);
      }
      return end;
    }
    std::vector<std::pair<Time, std::uint32_t>> order;
    for (std::uint32_t c = 0; c < schedule_.chunks; ++c)
      order.emplace_back(overlap ? stage_done_[schedule_.stage({rank, c})] : done, c);
    std::sort(order.begin(), order.end());
    for (const auto& [from, chunk] : order) {
      const ChunkSync& sync = replicas_.of(rank, chunk);
      const Duration last = sync.buckets > 1 ? last_backward(rank, chunk, played) : Duration{};
      for (std::int64_t b = 1; b <= sync.buckets; ++b)
        add(from - last * (sync.buckets - b) / sync.buckets, sync.reduce / sync.buckets);
    }
    return end;
  }

  Duration last_backward(std::uint32_t rank, std::uint32_t chunk,
                         const PlayedSchedule& played) const {
    const auto& actions = played.ranks[rank];
    for (auto a = actions.rbegin(); a != actions.rend(); ++a) {
      const Pass* backward = backward_of(a->action);
      if (backward != nullptr && has_weights(backward->kind) && backward->chunk == chunk)
        return a->end - a->start;
    }
    return {};
  }

  void finish(StepTime& step, const std::vector<Time>& done, const std::vector<Time>& synced,
              std::size_t shift) {
    const std::uint32_t p = schedule_.size();
    const bool gathers_after =
        !question_.overlap.parameters && question_.sharding != Sharding::Weights;
    const auto gather = [&](std::uint32_t r) {
      Duration sum{};
      for (std::uint32_t c = 0; gathers_after && c < schedule_.chunks; ++c)
        sum += replicas_.of(r, c).gather;
      return sum;
    };
    Duration zero{}, after{};
    Time met{};
    for (std::uint32_t r = 0; r < p; ++r) {
      zero = std::max(zero, replicas_.zero(r));
      met = std::max(met, synced[r] + replicas_.finalise(r) + replicas_.norm(r));
      after = std::max(after, replicas_.adam(r) + gather(r));
    }
    step.step = zero + (met - Time{}) + replicas_.barrier() + after;
    for (std::uint32_t r = 0; r < p; ++r) {
      std::vector<ChunkPass>& passes = step.passes.emplace_back();
      std::array<Duration, kExposedNames.size()> exposed{};
      std::array<Duration, 4> computing{};  // F, B, W, FB
      for (const PlayedAction& a : step.pipeline.ranks[r]) {
        passes.push_back(chunk_of(r, a.action, shift));
        const PlayedChunk& chunk = chunks_.of(passes.back());
        Duration left = chunk.time;
        const auto shown = exposed_of(chunk);
        for (std::size_t i = 0; i < shown.size(); ++i) exposed[i] += shown[i], left -= shown[i];
        of(exposed, Exposed::Pipeline) += a.behind_send;
        of(exposed, Exposed::Parameters) +=
            a.end - a.start - a.behind_send - chunk.time;  // sync_within
        computing[a.action.beside                                  ? 3
                  : a.action.pass.kind == PassKind::Forward        ? 0
                  : a.action.pass.kind == PassKind::BackwardWeight ? 2
                                                                   : 1] += left;
      }
      of(exposed, Exposed::Gradients) += synced[r] - done[r];
      of(exposed, Exposed::Parameters) += gather(r);
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
  void split_idle(StepTime& step, ScheduleTimes times, std::size_t shift) {
    set_passes(times, shift);
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

  const Deployment& deployment_;
  const TrainingQuestion& question_;
  const PipelineSchedule& schedule_;
  const DataParallel& replicas_;
  ChunkTable& chunks_;
  std::size_t micro_batches_;
  std::vector<Time> stage_done_;
};

}  // namespace

ScheduleName schedule_name(const TrainingQuestion& question) {
  return question.schedule.value_or(ScheduleName::OneFOneB);
}

ScheduleShape shape_of(const TrainingQuestion& question, const Parallelism& layout) {
  return {.ranks = layout.pp,
          .micro_batches = question.micro_batches(layout.dp),
          .chunks = question.virtual_stages,
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
