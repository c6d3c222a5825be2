#include "workloads/step/rank_ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace moesim::workloads {

RankOps::Label RankOps::label(const char* what, std::int64_t layer, Phase phase, char suffix) {
  std::string name = what;
  if (layer >= 0) name += fmt::format(" L{}", layer);
  if (suffix != '\0') name += fmt::format(" {}", suffix);
  return graph_.add_label({.name = std::move(name), .phase = place_of(layer, phase)});
}

OpId RankOps::think(Rank rank, Label label, sim::Duration time, OpId after) {
  return host_[rank] = graph_.add_delay(rank, label, time, std::array{after, host_[rank]});
}

OpId RankOps::compute(Rank rank, Label label, const Work& work, OpId after) {
  const sim::Duration time = time_at(cluster_.speed_of(rank), work.time);
  if (per_launch_ == sim::Duration{}) {
    return graph_.add_compute(rank, kComputeStream, label, time, std::array{after});
  }
  if (launch_label_ == kNoLabel) {
    launch_label_ = graph_.add_label({.name = "launch", .phase = place_of(-1, Phase::Host)});
  }
  const OpId launched = think(rank, launch_label_,
                              per_launch_ * std::max<std::int64_t>(1, work.launches), sim::kNoOp);
  return graph_.add_compute(rank, kComputeStream, label, time, std::array{after, launched});
}

void RankOps::exchange(sim::Exchange what, Label label, Chain& chain) {
  const std::vector<Rank> participants = what.participants;
  const sim::ExchangeId id = graph_.add_exchange(std::move(what));
  for (const Rank rank : participants) {
    chain[rank] = graph_.add_part(id, rank, kNetworkStream, label, std::array{chain[rank]});
  }
}

void RankOps::send(sim::Exchange what, Rank source, Rank destination, Label label, Chain& chain) {
  const sim::ExchangeId id = graph_.add_exchange(std::move(what));
  graph_.add_part(id, source, kNetworkStream, label, std::array{chain[source]});
  chain[destination] = graph_.add_part(id, destination, kNetworkStream, label, {});
}

}  // namespace moesim::workloads
