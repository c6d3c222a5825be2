#include "sim/timeline.h"

#include <algorithm>
#include <queue>

namespace moesim::sim {
namespace {

// Who takes the credit for an instant: less is first.
int precedence(OpKind kind) {
  switch (kind) {
    case OpKind::Compute:
      return 0;
    case OpKind::Exchange:
      return 1;
    case OpKind::Delay:
      return 2;
  }
  return 3;
}

struct Running {
  int precedence;
  OpId op;
  friend bool operator>(const Running& a, const Running& b) {
    return a.precedence != b.precedence ? a.precedence > b.precedence : a.op > b.op;
  }
};

// Which participant of an exchange came last, and when; among equals the first one.
struct Arrival {
  Time at{};
  Rank rank = 0;
};

std::vector<Arrival> last_arrivals(const OpGraph& graph, const Timeline& timeline) {
  std::vector<Arrival> last(graph.exchanges().size());
  for (OpId id = 0; id < graph.size(); ++id) {
    const Op& op = graph.op(id);
    if (op.kind != OpKind::Exchange) continue;
    const Time at = timeline.spans[id].start;
    if (at > last[op.exchange].at || graph.parts(op.exchange).front() == id) {
      last[op.exchange] = {at, op.rank};
    }
  }
  return last;
}

// The time of `interval` that lies before `instant`.
Duration before(Time start, Time end, Time instant) {
  return std::max(Duration{}, std::min(end, instant) - start);
}

// Sweeps over one rank's operations, which come in order of their start.
RankTime divide(const OpGraph& graph, const Timeline& timeline, const std::vector<OpId>& ops,
                const std::vector<Arrival>& last_arrival, std::size_t phases, const Window& window,
                std::vector<Duration>& waited_for) {
  RankTime result{.phases = std::vector<PhaseTime>(phases)};
  std::priority_queue<Running, std::vector<Running>, std::greater<>> running;
  Time now = window.from;
  std::size_t next = 0;
  while (now < window.to) {
    while (next < ops.size() && timeline.spans[ops[next]].start <= now) {
      running.push({precedence(graph.op(ops[next]).kind), ops[next]});
      ++next;
    }
    while (!running.empty() && timeline.spans[running.top().op].end <= now) running.pop();
    const Time next_start =
        next < ops.size() ? std::min(timeline.spans[ops[next]].start, window.to) : window.to;
    if (running.empty()) {
      result.idle += next_start - now;
      now = next_start;
      continue;
    }
    const OpId id = running.top().op;
    const Op& op = graph.op(id);
    const Time until = std::min(next_start, timeline.spans[id].end);
    PhaseTime& phase = result.phases[graph.label(op.label).phase];
    phase.exposed += until - now;
    if (op.kind == OpKind::Exchange) {
      const Arrival& last = last_arrival[op.exchange];
      const Duration waiting = before(now, until, last.at);
      phase.waiting += waiting;
      waited_for[last.rank] += waiting;
    }
    now = until;
  }
  for (const OpId id : ops) {
    const Span& span = timeline.spans[id];
    const Time start = std::max(span.start, window.from), end = std::min(span.end, window.to);
    if (end > start) result.phases[graph.label(graph.op(id).label).phase].busy += end - start;
  }
  return result;
}

}  // namespace

std::vector<RankTime> rank_times(const OpGraph& graph, const Timeline& timeline, std::size_t phases,
                                 std::span<const Window> windows, OpId first) {
  std::vector<std::vector<OpId>> of_rank(graph.ranks());
  for (OpId id = first; id < graph.size(); ++id) of_rank[graph.op(id).rank].push_back(id);
  const std::vector<Arrival> last_arrival = last_arrivals(graph, timeline);
  std::vector<Duration> waited_for(graph.ranks());
  std::vector<RankTime> result;
  result.reserve(graph.ranks());
  for (Rank rank = 0; rank < graph.ranks(); ++rank) {
    std::vector<OpId>& ops = of_rank[rank];
    std::stable_sort(ops.begin(), ops.end(), [&](OpId a, OpId b) {
      return timeline.spans[a].start < timeline.spans[b].start;
    });
    result.push_back(divide(graph, timeline, ops, last_arrival, phases, windows[rank], waited_for));
  }
  for (Rank rank = 0; rank < graph.ranks(); ++rank) result[rank].waited_for = waited_for[rank];
  return result;
}

std::vector<RankTime> rank_times(const OpGraph& graph, const Timeline& timeline,
                                 std::size_t phases) {
  const std::vector<Window> windows(graph.ranks(), Window{{}, timeline.finish});
  return rank_times(graph, timeline, phases, windows);
}

}  // namespace moesim::sim
