#include "workloads/training/host_stream.h"

#include <algorithm>
#include <array>

#include "workloads/step/phases.h"
#include "workloads/step/rank_ops.h"

namespace moesim::workloads {

using sim::Duration;
using sim::OpId;
using sim::Rank;

HostStream::HostStream(sim::OpGraph& graph, const Host& host, Rank ranks, Duration lead)
    : graph_(graph),
      host_(host),
      takes_time_(host.graphs != Graphs::All && host.per_operation + host.per_launch > Duration{}) {
  if (!takes_time_) return;
  label_ = graph.add_label({.name = "launch", .phase = index_of(Phase::Host)});
  last_.assign(ranks, sim::kNoOp);
  credit_.assign(ranks, lead);
}

OpId HostStream::think(Rank rank, Duration time, OpId after) {
  const Duration early = std::min(time, credit_[rank]);
  credit_[rank] -= early;
  return last_[rank] = graph_.add_delay(rank, label_, time - early, std::array{after, last_[rank]});
}

OpId HostStream::compute(Rank rank, sim::LabelId label, Duration time, std::int64_t kernels,
                         std::optional<GraphScope> scope, OpId after) {
  if (!takes_time_) return graph_.add_compute(rank, kComputeStream, label, time, std::array{after});
  const bool recorded = scope && host_.is_recorded(*scope);
  kernels = recorded ? 1 : std::max<std::int64_t>(1, kernels);
  const Duration each = recorded ? host_.per_launch : host_.per_operation + host_.per_launch;
  const OpId first = think(rank, each, sim::kNoOp);
  if (kernels == 1)
    return graph_.add_compute(rank, kComputeStream, label, time, std::array{after, first});
  const OpId last = think(rank, each * (kernels - 1), sim::kNoOp);
  const Duration end = time / kernels;
  const OpId most =
      graph_.add_compute(rank, kComputeStream, label, time - end, std::array{after, first});
  return graph_.add_compute(rank, kComputeStream, label, end, std::array{most, last});
}

OpId HostStream::launch(Rank rank, std::int64_t operations, OpId after) {
  if (!takes_time_) return after;
  const OpId launched =
      think(rank, (host_.per_operation + host_.per_launch) * operations, sim::kNoOp);
  return graph_.add_delay(rank, label_, Duration{}, std::array{after, launched});
}

void HostStream::wait(Rank rank, OpId done) {
  if (!takes_time_) return;
  credit_[rank] = {};
  think(rank, Duration{}, done);
}

Duration HostStream::lead(const sim::Timeline& timeline) const {
  Duration least = last_.empty() ? Duration{} : Duration::max();
  for (Rank r = 0; r < last_.size(); ++r) {
    const sim::Time done = last_[r] == sim::kNoOp ? sim::Time{} : timeline.spans[last_[r]].end;
    least = std::min(least, timeline.finish - done + credit_[r]);
  }
  return least;
}

}  // namespace moesim::workloads
