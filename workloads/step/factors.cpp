#include "workloads/step/factors.h"

#include <algorithm>
#include <numeric>

#include "workloads/step/player.h"

namespace moesim::workloads {
namespace {

using sim::Duration;
using sim::OpId;
using sim::Time;

int precedence(sim::OpKind kind) {
  return kind == sim::OpKind::Compute ? 0 : kind == sim::OpKind::Exchange ? 1 : 2;
}

// Pairs of an exchange that wait for each other.
bool are_peers(const sim::Exchange& exchange, std::size_t a, std::size_t b) {
  if (a == b || exchange.barrier) return true;
  const auto& ranks = exchange.participants;
  if (exchange.messages.counts) {
    const auto& counts = *exchange.messages.counts;
    if ((counts[a * ranks.size() + b] | counts[b * ranks.size() + a]) != 0) return true;
  }
  return std::ranges::any_of(exchange.transfers, [&](const sim::Transfer& t) {
    return (t.source == ranks[a] && t.destination == ranks[b]) ||
           (t.source == ranks[b] && t.destination == ranks[a]);
  });
}

class Path {
 public:
  explicit Path(const PlayedStep& step) : step_(step), graph_(step.built.graph) {}

  // The last operation to end among those that it waits for; the first of them by the order above.
  OpId last_of(std::span<const OpId> ops) const {
    OpId last = sim::kNoOp;
    for (const OpId id : ops) {
      if (last == sim::kNoOp || comes_before(id, last)) last = id;
    }
    return last;
  }

  // The part of that exchange whose rank kept this one's.
  OpId kept_by(OpId id) const {
    const sim::ExchangeId exchange = graph_.op(id).exchange;
    const auto parts = graph_.parts(exchange);
    const auto place =
        static_cast<std::size_t>(std::find(parts.begin(), parts.end(), id) - parts.begin());
    std::size_t last = place;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const Time a = start(parts[p]), b = start(parts[last]);
      if (a > end(id) || a < b || (a == b && p >= last)) continue;
      if (are_peers(graph_.exchanges()[exchange], place, p)) last = p;
    }
    return parts[last];
  }

  PhaseTimes walk() const {
    PhaseTimes path{};
    const Time from = step_.timeline.finish - step_.time();
    std::vector<OpId> all(graph_.size());
    std::iota(all.begin(), all.end(), OpId{0});
    for (OpId id = last_of(all); id != sim::kNoOp && end(id) > from;) {
      const OpId kept = graph_.op(id).kind == sim::OpKind::Exchange ? kept_by(id) : id;
      path[index_of(phase_of(graph_.label(graph_.op(id).label).phase))] +=
          end(id) - std::max(start(kept), from);
      id = last_of(graph_.waits_for(kept));
    }
    return path;
  }

 private:
  Time start(OpId id) const { return step_.timeline.spans[id].start; }
  Time end(OpId id) const { return step_.timeline.spans[id].end; }
  bool comes_before(OpId a, OpId b) const {
    if (end(a) != end(b)) return end(a) > end(b);
    const sim::Op &x = graph_.op(a), &y = graph_.op(b);
    if (precedence(x.kind) != precedence(y.kind)) return precedence(x.kind) < precedence(y.kind);
    return x.rank < y.rank;
  }

  const PlayedStep& step_;
  const sim::OpGraph& graph_;
};

bool is_attention_core(const hardware::ModelUse* use) {
  return use != nullptr && (use->kind.ends_with("attention") || use->kind.ends_with("mla"));
}

}  // namespace

Duration time_of_cores(const Work& work) {
  Duration sum{};
  for (const PricedTime& part : work.priced) {
    if (is_attention_core(part.use)) sum += part.time;
  }
  return sum;
}

Factor factor_of(Phase phase) {
  switch (phase) {
    case Phase::Dispatch:
    case Phase::Combine:
      return Factor::AllToAll;
    case Phase::Experts:
      return Factor::Experts;
    case Phase::Collectives:
    case Phase::Pipeline:
      return Factor::Collectives;
    case Phase::Host:
      return Factor::Host;
    default:
      return Factor::Gemm;
  }
}

PhaseTimes path_of(const PlayedStep& step) {
  return Path(step).walk();
}

FactorTimes factors_of(const PhaseTimes& path, const StepAccount& account) {
  FactorTimes times{};
  const Work& attention = account.work[index_of(Phase::Attention)];
  const Duration spent = path[index_of(Phase::Attention)];
  if (attention.time > Duration{}) {
    const double core = static_cast<double>(time_of_cores(attention).count()) /
                        static_cast<double>(attention.time.count());
    of(times, Factor::Attention) =
        Duration(static_cast<std::int64_t>(core * static_cast<double>(spent.count())));
  }
  of(times, Factor::Gemm) = spent - of(times, Factor::Attention);
  for (std::uint32_t i = 0; i < kPhases; ++i) {
    const auto phase = static_cast<Phase>(i);
    if (phase != Phase::Attention) of(times, factor_of(phase)) += path[i];
  }
  return times;
}

}  // namespace moesim::workloads
