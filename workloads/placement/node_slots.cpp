#include "workloads/placement/node_slots.h"

#include <fmt/format.h>

#include "sim/error.h"

namespace moesim::workloads {

std::vector<ExpertId> pack_nodes(const std::vector<std::vector<NodeSlot>>& slots_of,
                                 const SlotPlan& plan) {
  const auto nodes = static_cast<std::uint32_t>(slots_of.size());
  const std::uint32_t node_slots = plan.slots() / nodes, per_rank = plan.slots() / plan.ranks;
  std::vector<ExpertId> slots(plan.slots());
  for (std::uint32_t n = 0; n < nodes; ++n) {
    std::vector<float> loads;
    for (const NodeSlot& slot : slots_of[n]) loads.push_back(slot.load);
    const Packing packing = balanced_packing(loads, plan.ranks / nodes);
    for (std::uint32_t s = 0; s < node_slots; ++s) {
      slots[n * node_slots + packing.pack[s] * per_rank + packing.place[s]] = slots_of[n][s].expert;
    }
  }
  return slots;
}

void check_nodes(const std::string& placement, const EplbShape& shape) {
  const SlotPlan& plan = shape.plan;
  check(plan);
  const std::uint32_t nodes = shape.nodes;
  if (nodes == 0 || plan.experts % nodes != 0 || plan.redundant % nodes != 0 ||
      plan.ranks % nodes != 0) {
    throw sim::ConfigError(
        fmt::format("{}: {} experts, {} redundant ones and {} ranks do not divide over {} nodes",
                    placement, plan.experts, plan.redundant, plan.ranks, nodes));
  }
}

}  // namespace moesim::workloads
