#include <algorithm>
#include <cmath>

#include "workloads/placement/balanced.h"

namespace moesim::workloads {
namespace {

constexpr int kMostExchanges = 1000;

// Exchanges a slot of the busiest rank with one of another while that lowers the busier of the two.
void improve(std::vector<ExpertId>& slots, std::vector<float>& weights, std::uint32_t ranks) {
  const std::size_t per_rank = slots.size() / ranks;
  std::vector<double> load(ranks);
  for (std::size_t s = 0; s < slots.size(); ++s) load[s / per_rank] += weights[s];
  for (int round = 0; round < kMostExchanges; ++round) {
    const auto busiest =
        static_cast<std::size_t>(std::max_element(load.begin(), load.end()) - load.begin());
    double best = load[busiest] * (1 - 1e-6);
    std::size_t from = 0, to = 0;
    for (std::size_t i = busiest * per_rank; i < (busiest + 1) * per_rank; ++i) {
      for (std::size_t j = 0; j < slots.size(); ++j) {
        const std::size_t other = j / per_rank;
        const double moved = static_cast<double>(weights[i]) - static_cast<double>(weights[j]);
        if (other == busiest || moved <= 0) continue;
        const double after = std::max(load[busiest] - moved, load[other] + moved);
        if (after < best) {
          best = after;
          from = i;
          to = j;
        }
      }
    }
    if (from == to) return;
    const double moved = static_cast<double>(weights[from]) - static_cast<double>(weights[to]);
    load[busiest] -= moved;
    load[to / per_rank] += moved;
    std::swap(slots[from], slots[to]);
    std::swap(weights[from], weights[to]);
  }
}

}  // namespace

ExpertPlacement greedy_placement(const EplbShape& shape, const PlacementEvidence& evidence) {
  const SlotPlan& plan = shape.plan;
  check(plan);
  ExpertPlacement placement{"greedy", {}};
  for (std::uint32_t l = 0; l < evidence.loads.layers; ++l) {
    const auto counts = evidence.loads.layer(l);
    std::vector<float> load;
    for (const std::uint64_t count : counts) load.push_back(static_cast<float>(count));
    const Replication copies = replicate(load, plan.slots());
    std::vector<float> each;
    for (const ExpertId e : copies.slot_expert) {
      each.push_back(load[e] / static_cast<float>(copies.replicas[e]));
    }
    const Packing packing = balanced_packing(each, plan.ranks);
    std::vector<ExpertId> slots(plan.slots());
    std::vector<float> weights(plan.slots());
    for (std::size_t s = 0; s < slots.size(); ++s) {
      const std::size_t at =
          std::size_t{packing.pack[s]} * (plan.slots() / plan.ranks) + packing.place[s];
      slots[at] = copies.slot_expert[s];
      weights[at] = each[s];
    }
    improve(slots, weights, plan.ranks);
    placement.layers.emplace_back(std::move(slots), plan.experts, plan.ranks);
  }
  return placement;
}

}  // namespace moesim::workloads
