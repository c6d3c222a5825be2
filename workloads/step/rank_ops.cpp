#include "workloads/step/rank_ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace moesim::workloads {

sim::LabelId RankOps::label(const char* what, std::int64_t layer, Phase phase, char suffix) {
  std::string name = what;
  if (layer >= 0) name += fmt::format(" L{}", layer);
  if (suffix != '\0') name += fmt::format(" {}", suffix);
  return graph_.add_label({.name = std::move(name), .phase = index_of(phase)});
}

OpId RankOps::think(Rank rank, sim::LabelId label, sim::Duration time, OpId after) {
  return host_[rank] = graph_.add_delay(rank, label, time, std::array{after, host_[rank]});
}

OpId RankOps::compute(Rank rank, sim::LabelId label, const Work& work, OpId after,
                      StepAccount& account) {
  account.work[graph_.label(label).phase] += work;
  const double speed = cluster_.speed_of(rank);
  const sim::Duration time =
      speed == 1 ? work.time
                 : sim::picoseconds_rounded_up(static_cast<double>(work.time.count()) / speed);
  if (per_launch_ == sim::Duration{}) {
    return graph_.add_compute(rank, kComputeStream, label, time, std::array{after});
  }
  if (launch_label_ == kNoLabel) {
    launch_label_ = graph_.add_label({.name = "launch", .phase = index_of(Phase::Host)});
  }
  const OpId launched = think(rank, launch_label_,
                              per_launch_ * std::max<std::int64_t>(1, work.launches), sim::kNoOp);
  return graph_.add_compute(rank, kComputeStream, label, time, std::array{after, launched});
}

void RankOps::exchange(hardware::PricedExchange what, sim::LabelId label, Chain& chain,
                       StepAccount& account) {
  const std::vector<Rank> participants = what.exchange.participants;
  account.exchanged[graph_.label(label).phase].add(what, participants.size());
  const sim::ExchangeId id = graph_.add_exchange(std::move(what.exchange));
  for (const Rank rank : participants) {
    chain[rank] = graph_.add_part(id, rank, kNetworkStream, label, std::array{chain[rank]});
  }
}

void RankOps::send(hardware::PricedExchange what, Rank source, Rank destination, sim::LabelId label,
                   Chain& chain, StepAccount& account) {
  account.exchanged[graph_.label(label).phase].add(what, 2);
  const sim::ExchangeId id = graph_.add_exchange(std::move(what.exchange));
  graph_.add_part(id, source, kNetworkStream, label, std::array{chain[source]});
  chain[destination] = graph_.add_part(id, destination, kNetworkStream, label, {});
}

}  // namespace moesim::workloads
