#include "workloads/deployment/elastic.h"

#include <fmt/format.h>

#include "hardware/network/topology.h"

namespace moesim::workloads {
namespace {

// Slots of a rank in each mixture layer; none where layers differ, or slots do not divide.
std::int64_t slots_per_rank(const Deployment& d) {
  std::int64_t slots = 0;
  for (const std::int64_t layer : d.model.moe_layers()) {
    const std::int64_t all = d.model.moe(layer)->experts + d.placement.redundant;
    if (all % d.layout.ep != 0 || (slots != 0 && slots != all / d.layout.ep)) return 0;
    slots = all / d.layout.ep;
  }
  return slots;
}

}  // namespace

std::string elastic_problem(const Deployment& d, std::size_t lost) {
  const Parallelism& p = d.layout;
  if (!d.engine.elastic) {
    return "the engine is down until it is started anew: engine.elastic: true is one that goes on";
  }
  if (p.tp != 1 || p.cp != 1 || p.pp != 1 || p.etp != 1 || p.ep != p.dp) {
    return "engine.elastic: goes on where each rank is a GPU of one group of experts: dp = ep with "
           "tp, cp, pp and etp of 1 would do";
  }
  if (static_cast<std::int64_t>(lost) >= p.ep) return "engine.elastic: no GPU of it is left";
  const std::int64_t each = slots_per_rank(d);
  if (each == 0) {
    return "engine.elastic: goes on where all mixture layers have as many expert slots a rank";
  }
  const std::int64_t left = each * (p.ep - static_cast<std::int64_t>(lost));
  const std::int64_t experts = d.model.moe(d.model.moe_layers().front())->experts;
  if (left < experts) {
    return fmt::format(
        "engine.elastic: {} GPUs hold {} expert slots, and there are {} experts: the engine is "
        "down "
        "until it is started anew; placement.redundant: {} would leave enough",
        p.ep - static_cast<std::int64_t>(lost), left, experts,
        // The least for all ranks, of which those that are left hold every expert.
        (experts + p.ep - static_cast<std::int64_t>(lost) - 1) /
                (p.ep - static_cast<std::int64_t>(lost)) * p.ep -
            experts);
  }
  return {};
}

Deployment without_gpus(Deployment d, const std::vector<std::uint32_t>& lost) {
  const auto gone = static_cast<std::int64_t>(lost.size());
  const std::int64_t each = slots_per_rank(d);
  d.layout.dp -= gone;
  d.layout.ep -= gone;
  d.placement.redundant -= gone * each;
  d.placement.lost = lost;
  return d;
}

std::vector<std::uint32_t> lost_ranks(const Deployment& d) {
  std::vector<std::uint32_t> lost;
  if (!d.cluster.topology || d.layout.gpus() <= d.cluster.ranks()) return lost;
  for (const sim::Rank rank : d.cluster.topology->absent) {
    if (rank < d.layout.gpus()) lost.push_back(rank);
  }
  return lost;
}

}  // namespace moesim::workloads
