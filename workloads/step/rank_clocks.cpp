#include "workloads/step/rank_clocks.h"

#include <algorithm>

#include "sim/check.h"
#include "workloads/step/rank_ops.h"

namespace moesim::workloads {

using sim::Duration;
using sim::OpKind;
using sim::Time;

namespace {

constexpr std::uint32_t kNoMark = ~std::uint32_t{0};

int precedence(OpKind kind) {
  return kind == OpKind::Compute ? 0 : kind == OpKind::Exchange ? 1 : 2;
}

}  // namespace

RankClocks::RankClocks(const hardware::Cluster& cluster, hardware::BoundClocks& network, Rank ranks,
                       Rank stage_ranks, Duration per_launch, const KeptTimes& kept)
    : stage_ranks_(stage_ranks),
      per_launch_(per_launch),
      kept_(kept),
      network_(network),
      speed_(ranks, 1),
      host_(ranks),
      compute_(ranks),
      wire_(ranks),
      spans_(kept.ranks && !kept.one_by_one ? ranks : 0),
      divided_(kept.ranks && kept.one_by_one ? ranks : 0),
      waited_for_(divided_.size()),
      stage_done_(ranks / stage_ranks),
      met_(kept.meetings ? ranks : 0),
      attention_(met_.size()) {
  meetings_.after.resize(met_.size());
  for (const hardware::SlowDevice& slow : cluster.slow) {
    if (slow.rank < ranks) speed_[slow.rank] = cluster.speed_of(slow.rank);
  }
}

// What an operation waits for longest; the order of path_of().
const RankClocks::Node& RankClocks::later(const Node& a, const Node& b) const {
  if (b.at != a.at) return b.at > a.at ? b : a;
  if (!kept_.path || b.mark == kNoMark) return a;
  if (a.mark == kNoMark) return b;
  const Mark &x = marks_[a.mark], &y = marks_[b.mark];
  if (x.kind != y.kind) return precedence(y.kind) < precedence(x.kind) ? b : a;
  return y.rank < x.rank ? b : a;
}

RankClocks::Node RankClocks::done(Rank rank, Label place, OpKind kind, const Node& from, Time end) {
  latest_ = std::max(latest_, end);
  Time& stage = stage_done_[rank / stage_ranks_];
  stage = std::max(stage, end);
  Node node{.at = end};
  if (kept_.path) {
    node.mark = static_cast<std::uint32_t>(marks_.size());
    marks_.push_back({.time = std::max(Duration{}, end - std::max(from.at, filled_)),
                      .before = from.mark,
                      .rank = rank,
                      .phase = phase_of(place),
                      .kind = kind});
  }
  return node;
}

RankClocks::Node RankClocks::think(Rank rank, Label label, Duration time, const Node& after) {
  const Node from = later(after, host_[rank]);
  const Time end = from.at + time;
  if (kept_.ranks) keep(rank, {from.at, end, OpKind::Delay, label, {}, 0});
  return host_[rank] = done(rank, label, OpKind::Delay, from, end);
}

RankClocks::Node RankClocks::compute(Rank rank, Label label, const Work& work, const Node& after) {
  Node from = after;
  if (per_launch_ != Duration{}) {
    from = later(from, think(rank, place_of(-1, Phase::Host),
                             per_launch_ * std::max<std::int64_t>(1, work.launches), kNothing));
  }
  from = later(from, compute_[rank]);
  const Time end = from.at + time_at(speed_[rank], work.time);
  if (kept_.ranks) keep(rank, {from.at, end, OpKind::Compute, label, {}, 0});
  if (kept_.meetings && phase_of(label) == Phase::Attention) attention_[rank] += end - from.at;
  return compute_[rank] = done(rank, label, OpKind::Compute, from, end);
}

// As sim::divide() of all of them.
void RankClocks::keep(Rank rank, const sim::RankSpan& span) {
  if (!kept_.one_by_one) {
    spans_[rank].push_back(span);
    return;
  }
  Divided& time = divided_[rank];
  SIM_CHECK(span.start >= time.until, "a rank that does one thing after another did two at once");
  time.idle += span.start - time.until;
  time.until = span.end;
  if (divided_places_.size() <= span.phase) divided_places_.resize(places_);
  sim::PhaseTime& phase = divided_places_[span.phase];
  phase.busy += span.end - span.start;
  phase.exposed += span.end - span.start;
  if (span.kind != OpKind::Exchange) return;
  const Duration waiting = std::max(Duration{}, std::min(span.end, span.last_arrival) - span.start);
  phase.waiting += waiting;
  waited_for_[span.last_rank] += waiting;
}

// Leaves the ends of its parts.
void RankClocks::play(const sim::Exchange& exchange, Label place, std::span<const Node> from) {
  instants_.clear();
  for (const Node& node : from) instants_.push_back(node.at);
  if (kept_.meetings && phase_of(place) == Phase::Dispatch) meet(exchange);
  const auto [ends, kept_by] = network_.play(exchange, instants_);
  const auto last = static_cast<std::size_t>(std::max_element(instants_.begin(), instants_.end()) -
                                             instants_.begin());
  ends_.clear();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const Rank rank = exchange.participants[i];
    if (kept_.ranks) {
      keep(rank, {instants_[i], ends[i], OpKind::Exchange, place, instants_[last],
                  exchange.participants[last]});
    }
    ends_.push_back(done(rank, place, OpKind::Exchange, from[kept_by[i]], ends[i]));
    wire_[rank] = ends_.back();
  }
}

void RankClocks::meet(const sim::Exchange& exchange) {
  const Time all = *std::max_element(instants_.begin(), instants_.end());
  for (std::size_t i = 0; i < instants_.size(); ++i) {
    const Rank rank = exchange.participants[i];
    meetings_.after[rank].push_back(instants_[i] - attention_[rank] - met_[rank]);
    met_[rank] = all;
    attention_[rank] = {};
  }
}

Time RankClocks::last_of(Rank rank) const {
  return std::max(compute_[rank].at, wire_[rank].at);
}

// The layers are done: ranks meet no more.
void RankClocks::part() {
  in_head_ = true;
  for (Rank rank = 0; rank < met_.size(); ++rank) {
    const Time done = last_of(rank);
    meetings_.after[rank].push_back(done - attention_[rank] - met_[rank]);
    met_[rank] = done;
  }
}

Meetings RankClocks::meetings() {
  if (!in_head_) part();
  meetings_.done.clear();
  for (Rank rank = 0; rank < met_.size(); ++rank) meetings_.done.push_back(last_of(rank));
  return std::move(meetings_);
}

void RankClocks::exchange(sim::Exchange what, Label label, Chain& chain) {
  arrivals_.clear();
  for (const Rank rank : what.participants) arrivals_.push_back(later(chain[rank], wire_[rank]));
  play(what, label, arrivals_);
  for (std::size_t i = 0; i < ends_.size(); ++i) chain[what.participants[i]] = ends_[i];
}

void RankClocks::send(const sim::Exchange& what, Rank source, Rank destination, Label label,
                      Chain& chain) {
  arrivals_.clear();
  for (const Rank rank : what.participants) {
    arrivals_.push_back(rank == source ? later(chain[rank], wire_[rank]) : wire_[rank]);
  }
  play(what, label, arrivals_);
  chain[destination] = wire_[destination];
}

void RankClocks::start_counting() {
  filled_ = latest_;
  std::fill(stage_done_.begin(), stage_done_.end(), Time{});
  for (auto& spans : spans_) spans.clear();
  for (Divided& time : divided_) time = {.idle = {}, .until = filled_};
  divided_places_.clear();
  std::fill(waited_for_.begin(), waited_for_.end(), Duration{});
  for (Mark& mark : marks_) mark.time = {};
}

void RankTimes::add(sim::RankTime&& rank) {
  places.resize(std::max(places.size(), rank.phases.size()));
  for (std::size_t i = 0; i < rank.phases.size(); ++i) {
    places[i].busy += rank.phases[i].busy;
    places[i].exposed += rank.phases[i].exposed;
    places[i].waiting += rank.phases[i].waiting;
  }
  ranks.push_back({.phases = {}, .idle = rank.idle, .waited_for = rank.waited_for});
}

RankTimes RankClocks::rank_times() const {
  RankTimes times;
  times.ranks.reserve(speed_.size());
  if (kept_.one_by_one) {
    for (Rank rank = 0; rank < divided_.size(); ++rank) {
      const Divided& time = divided_[rank];
      times.ranks.push_back({.phases = {},
                             .idle = time.idle + (latest_ - time.until),
                             .waited_for = waited_for_[rank]});
    }
    times.places = divided_places_;
    times.places.resize(places_);
    return times;
  }
  std::vector<Duration> waited_for(speed_.size());
  for (Rank rank = 0; rank < speed_.size(); ++rank) {
    const Time to = stage_done_[rank / stage_ranks_];
    times.add(divide(spans_[rank], places_, {to - time(), to}, waited_for));
  }
  for (Rank rank = 0; rank < speed_.size(); ++rank) times.ranks[rank].waited_for = waited_for[rank];
  return times;
}

PhaseTimes RankClocks::path() const {
  Node last{};
  for (const auto* nodes : {&compute_, &wire_, &host_}) {
    for (const Node& node : *nodes) last = later(last, node);
  }
  PhaseTimes path{};
  for (std::uint32_t m = last.mark; m != kNoMark; m = marks_[m].before) {
    path[index_of(marks_[m].phase)] += marks_[m].time;
  }
  return path;
}

}  // namespace moesim::workloads
