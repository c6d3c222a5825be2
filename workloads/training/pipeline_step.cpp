#include "workloads/training/pipeline_step.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "workloads/training/expert_group.h"

namespace moesim::workloads {

using sim::Duration;
using sim::Time;

namespace {

// Replicas of the routing are this many draws apart.
constexpr std::size_t kReplicaShift = 3;

std::int64_t pipelines_of(const Parallelism& p) {
  return p.tp * p.cp * p.dp / group_ranks(p);
}

bool is_backward(PassKind kind) {
  return kind != PassKind::Forward;
}

}  // namespace

ExposedTimes exposed_of(const PlayedChunk& chunk) {
  ExposedTimes sum{};
  const auto at = [&](Exposed kind) -> Duration& { return sum[static_cast<std::size_t>(kind)]; };
  at(Exposed::Expert) =
      chunk.exposed[index_of(Phase::Dispatch)] + chunk.exposed[index_of(Phase::Combine)];
  at(Exposed::Tensor) = chunk.exposed[index_of(Phase::Collectives)];
  at(Exposed::Context) = chunk.exposed[kContextPhase];
  // A rank that waits within a pass has nothing launched, or nothing to do.
  at(Exposed::Host) = chunk.exposed[index_of(Phase::Host)] + chunk.idle;
  return sum;
}

bool has_weights(PassKind kind) {
  return kind == PassKind::Backward || kind == PassKind::BackwardWeight;
}

const Pass* backward_of(const Action& action) {
  if (action.beside) return &*action.beside;
  return is_backward(action.pass.kind) ? &action.pass : nullptr;
}

std::map<std::uint32_t, std::int64_t> draws_taken(const Deployment& deployment,
                                                  const TrainingQuestion& question,
                                                  std::uint32_t draws) {
  std::map<std::uint32_t, std::int64_t> pipelines;  // by the first draw that they take
  for (std::int64_t e = 0; e < pipelines_of(deployment.layout); ++e)
    ++pipelines[static_cast<std::uint32_t>(kReplicaShift * static_cast<std::size_t>(e) % draws)];
  const std::int64_t all = question.micro_batches(deployment.layout.dp);
  std::map<std::uint32_t, std::int64_t> taken;
  for (const auto& [first, count] : pipelines)
    for (std::int64_t i = 0; i < std::min<std::int64_t>(all, draws); ++i)
      taken[static_cast<std::uint32_t>((first + i) % draws)] +=
          count * (all / draws + (i < all % draws ? 1 : 0));
  return taken;
}

PipelineStep::PipelineStep(const Deployment& deployment, const TrainingQuestion& question,
                           const PipelineSchedule& schedule, const DataParallel& replicas,
                           ChunkTable& chunks)
    : deployment_(deployment),
      question_(question),
      schedule_(schedule),
      replicas_(replicas),
      chunks_(chunks),
      micro_batches_(static_cast<std::size_t>(question.micro_batches(deployment.layout.dp))),
      send_(send_of_border()),
      ready_(first_ready()) {}

std::int64_t PipelineStep::pipelines() const {
  return pipelines_of(deployment_.layout);
}

std::size_t PipelineStep::shift_of(std::int64_t pipeline) const {
  return kReplicaShift * static_cast<std::size_t>(pipeline) % chunks_.draws();
}

std::vector<std::size_t> PipelineStep::shifts() const {
  std::vector<std::size_t> list;
  std::set<std::size_t> known;
  for (std::int64_t e = 0; e < pipelines(); ++e)
    if (known.insert(shift_of(e)).second) list.push_back(shift_of(e));
  return list;
}

std::uint32_t PipelineStep::draw(const Pass& pass, std::size_t shift) const {
  // From the other end come other micro-batches.
  const std::size_t first =
      schedule_.route == StageRoute::TwoWay ? pass.chunk * micro_batches_ / 2 : 0;
  return static_cast<std::uint32_t>((first + pass.micro_batch + shift) % chunks_.draws());
}

ChunkPass PipelineStep::chunk_of(std::uint32_t rank, const Action& action,
                                 std::size_t shift) const {
  ChunkPass pass{.kind = action.pass.kind,
                 .stage = schedule_.stage({rank, action.pass.chunk}),
                 .draw = draw(action.pass, shift)};
  if (action.beside)
    pass.beside = {.stage = schedule_.stage({rank, action.beside->chunk}),
                   .draw = draw(*action.beside, shift)};
  return pass;
}

const PlayedChunk& PipelineStep::played(std::uint32_t rank, const Action& action,
                                        std::size_t shift) {
  return chunks_.of(chunk_of(rank, action, shift));
}

Duration PipelineStep::time_of(std::uint32_t rank, const Action& action, std::size_t shift) {
  const PlayedChunk& chunk = played(rank, action, shift);
  const Within within = sync_within(rank, action, chunk);
  return chunk.time + within.gather + within.reduce;
}

ScheduleTimes PipelineStep::times(std::size_t shift) {
  ScheduleTimes times{.send = send_, .ready = ready_};
  times.of = [this, shift](std::uint32_t rank, const Action& action) {
    return time_of(rank, action, shift);
  };
  times.first_use = [this, shift](std::uint32_t rank, const Action& action) {
    return played(rank, action, shift).first_use;
  };
  return times;
}

PipelineStep::Within PipelineStep::sync_within(std::uint32_t rank, const Action& action,
                                               const PlayedChunk& chunk) const {
  if (question_.sharding == Sharding::Weights) {
    Duration moved{}, first{}, reduced{};
    const auto add = [&](const Pass& pass) {
      if (pass.kind == PassKind::BackwardWeight) return;
      const ChunkSync& sync = replicas_.of(rank, pass.chunk);
      const std::int64_t layers =
          std::max<std::int64_t>(1, question_.stages[schedule_.stage({rank, pass.chunk})].layers);
      const Duration reduce = is_backward(pass.kind) ? sync.reduce : Duration{};
      const Duration own = sync.gather + reduce;
      moved += own;
      reduced += reduce;
      first += own / layers;
    };
    add(action.pass);
    if (action.beside) add(*action.beside);
    // A layer is a unit: the first one's parameters and the last one's gradients show, or what
    // the links cannot carry in the pass beside its exchanges; of either kind as much as is moved.
    const Duration shows = std::max(first, moved + chunk.links - chunk.time);
    if (moved == Duration{}) return {.gather = shows};
    const double share = static_cast<double>(reduced.count()) / static_cast<double>(moved.count());
    const Duration reduce(std::llround(static_cast<double>(shows.count()) * share));
    return {.gather = shows - reduce, .reduce = reduce};
  }
  const Pass* backward = backward_of(action);
  if (question_.sharding != Sharding::Gradients || question_.overlap.gradients ||
      backward == nullptr || !has_weights(backward->kind))
    return {};
  return {.reduce = replicas_.of(rank, backward->chunk).reduce};
}

// Of a chunk border between neighbours, the slowest.
Duration PipelineStep::send_of_border() const {
  const Parallelism& p = deployment_.layout;
  if (schedule_.size() == 1) return {};
  const RankLayout layout(p);
  const Communication communication(deployment_.cluster, deployment_.all_reduce, deployment_.tokens,
                                    deployment_.formats.dispatch, deployment_.formats.combine);
  const std::int64_t tokens = question_.micro_batch * question_.sequence / p.cp;
  const sim::Bytes bytes(2 * ((tokens + p.tp - 1) / p.tp) * deployment_.model.hidden);
  Duration slowest{};
  const auto send = [&](DenseCoordinate place) {
    const Rank source = layout.rank_of(place);
    ++place.pp;
    return communication.send(source, layout.rank_of(place), bytes);
  };
  for (std::int64_t r = 0; r + 1 < p.pp; ++r) {
    const sim::Duration alone = send({.pp = r}).alone;
    std::vector<sim::Exchange> all;  // of every place, where links are slow
    for (std::int64_t dp = 0; replicas_.slow_links().any() && dp < p.dp; ++dp)
      for (std::int64_t cp = 0; cp < p.cp; ++cp)
        for (std::int64_t tp = 0; tp < p.tp; ++tp)
          all.push_back(send({.tp = tp, .cp = cp, .dp = dp, .pp = r}).exchange);
    slowest = std::max(slowest, alone + replicas_.slow_links().more(all));
  }
  return slowest;
}

// Parameters that are gathered beside the first forward passes: a chunk starts with its first
// piece.
std::vector<std::vector<Duration>> PipelineStep::first_ready() const {
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

PipelineStep::Meeting PipelineStep::nobody_yet() const {
  return {.ranks = std::vector<Time>(schedule_.size()),
          .stages = std::vector<Time>(schedule_.stages())};
}

void PipelineStep::note(const PlayedSchedule& played, Meeting& meeting) const {
  for (std::uint32_t r = 0; r < schedule_.size(); ++r) {
    for (const PlayedAction& a : played.ranks[r]) {
      meeting.ranks[r] = std::max(meeting.ranks[r], a.end);
      const Pass* backward = backward_of(a.action);
      if (backward == nullptr || !has_weights(backward->kind)) continue;
      Time& stage = meeting.stages[schedule_.stage({r, backward->chunk})];
      stage = std::max(stage, a.end);
    }
  }
}

// When a collective of a rank is done that starts then: it has what the exchanges of the passes
// that it runs beside leave of the links.
Time PipelineStep::carried(std::uint32_t rank, const PlayedSchedule& played, Time now,
                           Duration left, std::size_t shift) {
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
Time PipelineStep::reduced(std::uint32_t rank, const Meeting& meeting, const PlayedSchedule& played,
                           std::size_t shift) {
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
    order.emplace_back(overlap ? meeting.stages[schedule_.stage({rank, c})] : meeting.ranks[rank],
                       c);
  std::sort(order.begin(), order.end());
  for (const auto& [from, chunk] : order) {
    const ChunkSync& sync = replicas_.of(rank, chunk);
    const Duration last = sync.buckets > 1 ? last_backward(rank, chunk, played) : Duration{};
    for (std::int64_t b = 1; b <= sync.buckets; ++b)
      add(from - last * (sync.buckets - b) / sync.buckets, sync.reduce / sync.buckets);
  }
  return end;
}

Duration PipelineStep::last_backward(std::uint32_t rank, std::uint32_t chunk,
                                     const PlayedSchedule& played) const {
  const auto& actions = played.ranks[rank];
  for (auto a = actions.rbegin(); a != actions.rend(); ++a) {
    const Pass* backward = backward_of(a->action);
    if (backward != nullptr && has_weights(backward->kind) && backward->chunk == chunk)
      return a->end - a->start;
  }
  return {};
}

std::vector<Time> PipelineStep::synced(const Meeting& meeting, const PlayedSchedule& slowest,
                                       std::size_t shift) {
  std::vector<Time> list;
  for (std::uint32_t r = 0; r < schedule_.size(); ++r)
    list.push_back(std::max(meeting.ranks[r], reduced(r, meeting, slowest, shift)));
  return list;
}

Duration PipelineStep::gather_after(std::uint32_t rank) const {
  if (question_.overlap.parameters || question_.sharding == Sharding::Weights) return {};
  Duration sum{};
  for (std::uint32_t c = 0; c < schedule_.chunks; ++c) sum += replicas_.of(rank, c).gather;
  return sum;
}

Duration PipelineStep::step(const std::vector<Time>& synced) const {
  Duration zero{}, after{};
  Time met{};
  for (std::uint32_t r = 0; r < schedule_.size(); ++r) {
    zero = std::max(zero, replicas_.zero(r));
    met = std::max(met, synced[r] + replicas_.finalise(r) + replicas_.norm(r));
    after = std::max(after, replicas_.adam(r) + gather_after(r));
  }
  return zero + (met - Time{}) + replicas_.barrier() + after;
}

}  // namespace moesim::workloads
