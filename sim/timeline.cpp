#include "sim/timeline.h"

#include <algorithm>
#include <numeric>
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
  std::size_t op;
  friend bool operator>(const Running& a, const Running& b) {
    return a.precedence != b.precedence ? a.precedence > b.precedence : a.op > b.op;
  }
};

// The parts of each exchange, and who came last.
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

// Sweeps over one rank's operations.
class Sweep {
 public:
  Sweep(std::size_t phases, const Window& window, std::vector<Duration>& waited_for)
      : window_(window), now_(window.from), waited_for_(waited_for) {
    result_.phases.resize(phases);
  }

  // One after another: no two of them run at one time.
  void pass(const RankSpan& op) {
    const Time start = std::min(std::max(op.start, now_), window_.to);
    result_.idle += start - now_;
    now_ = start;
    if (op.end > now_ && now_ < window_.to) expose(op, std::min(op.end, window_.to));
  }

  // `order`: by their start.
  void pass_all(const std::vector<RankSpan>& ops, const std::vector<std::size_t>& order) {
    std::priority_queue<Running, std::vector<Running>, std::greater<>> running;
    std::size_t next = 0;
    while (now_ < window_.to) {
      while (next < order.size() && ops[order[next]].start <= now_) {
        running.push({precedence(ops[order[next]].kind), order[next]});
        ++next;
      }
      while (!running.empty() && ops[running.top().op].end <= now_) running.pop();
      const Time next_start =
          next < order.size() ? std::min(ops[order[next]].start, window_.to) : window_.to;
      if (running.empty()) {
        result_.idle += next_start - now_;
        now_ = next_start;
        continue;
      }
      const RankSpan& op = ops[running.top().op];
      expose(op, std::min(next_start, op.end));
    }
  }

  RankTime finish(const std::vector<RankSpan>& ops) {
    if (now_ < window_.to) result_.idle += window_.to - now_;
    for (const RankSpan& op : ops) {
      const Time start = std::max(op.start, window_.from), end = std::min(op.end, window_.to);
      if (end > start) result_.phases[op.phase].busy += end - start;
    }
    return std::move(result_);
  }

 private:
  void expose(const RankSpan& op, Time until) {
    PhaseTime& phase = result_.phases[op.phase];
    phase.exposed += until - now_;
    if (op.kind == OpKind::Exchange) {
      const Duration waiting = before(now_, until, op.last_arrival);
      phase.waiting += waiting;
      waited_for_[op.last_rank] += waiting;
    }
    now_ = until;
  }

  Window window_;
  Time now_;
  std::vector<Duration>& waited_for_;
  RankTime result_;
};

}  // namespace

RankTime divide(const std::vector<RankSpan>& ops, std::size_t phases, const Window& window,
                std::vector<Duration>& waited_for) {
  Sweep sweep(phases, window, waited_for);
  const bool one_by_one =
      std::adjacent_find(ops.begin(), ops.end(), [](const RankSpan& a, const RankSpan& b) {
        return b.start < a.end;
      }) == ops.end();
  if (one_by_one) {
    for (const RankSpan& op : ops) sweep.pass(op);
    return sweep.finish(ops);
  }
  std::vector<std::size_t> order(ops.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return ops[a].start < ops[b].start; });
  sweep.pass_all(ops, order);
  return sweep.finish(ops);
}

std::vector<RankTime> rank_times(const OpGraph& graph, const Timeline& timeline, std::size_t phases,
                                 std::span<const Window> windows, OpId first) {
  const std::vector<Arrival> last_arrival = last_arrivals(graph, timeline);
  std::vector<std::vector<RankSpan>> of_rank(graph.ranks());
  for (OpId id = first; id < graph.size(); ++id) {
    const Op& op = graph.op(id);
    const Span& span = timeline.spans[id];
    RankSpan& added = of_rank[op.rank].emplace_back(
        RankSpan{span.start, span.end, op.kind, graph.label(op.label).phase});
    if (op.kind != OpKind::Exchange) continue;
    added.last_arrival = last_arrival[op.exchange].at;
    added.last_rank = last_arrival[op.exchange].rank;
  }
  std::vector<Duration> waited_for(graph.ranks());
  std::vector<RankTime> result;
  result.reserve(graph.ranks());
  for (Rank rank = 0; rank < graph.ranks(); ++rank) {
    result.push_back(divide(of_rank[rank], phases, windows[rank], waited_for));
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
