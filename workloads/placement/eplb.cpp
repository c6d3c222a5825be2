#include "workloads/placement/eplb.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "sim/check.h"
#include "sim/error.h"

namespace moesim::workloads {

Packing balanced_packing(std::span<const float> weights, std::uint32_t packs) {
  const std::size_t items = weights.size(), room = items / packs;
  SIM_CHECK(packs > 0 && items % packs == 0, "the items divide over the packs");
  Packing packing{std::vector<std::uint32_t>(items), std::vector<std::uint32_t>(items)};
  if (room == 1) {
    std::iota(packing.pack.begin(), packing.pack.end(), 0u);
    return packing;
  }
  std::vector<std::uint32_t> order(items);
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return weights[a] > weights[b]; });
  std::vector<float> sum(packs);
  std::vector<std::uint32_t> count(packs);
  for (const std::uint32_t item : order) {
    std::uint32_t lightest = packs;
    for (std::uint32_t p = 0; p < packs; ++p) {
      if (count[p] < room && (lightest == packs || sum[p] < sum[lightest])) lightest = p;
    }
    packing.pack[item] = lightest;
    packing.place[item] = count[lightest]++;
    sum[lightest] += weights[item];
  }
  return packing;
}

Replication replicate(std::span<const float> loads, std::uint32_t slots) {
  Replication result;
  result.slot_expert.resize(loads.size());
  std::iota(result.slot_expert.begin(), result.slot_expert.end(), ExpertId{0});
  result.replicas.assign(loads.size(), 1);
  std::vector<float> each(loads.begin(), loads.end());
  while (result.slot_expert.size() < slots) {
    const auto most =
        static_cast<std::size_t>(std::max_element(each.begin(), each.end()) - each.begin());
    result.slot_expert.push_back(static_cast<ExpertId>(most));
    ++result.replicas[most];
    each[most] = loads[most] / static_cast<float>(result.replicas[most]);
  }
  return result;
}

std::vector<ExpertId> eplb_slots(std::span<const float> load, const EplbShape& shape) {
  const SlotPlan& plan = shape.plan;
  check(plan);
  SIM_CHECK(load.size() == plan.experts, "a load for each expert");
  std::uint32_t groups = shape.groups, nodes = shape.nodes;
  if (nodes == 0 || groups == 0 || plan.ranks % nodes != 0 || plan.experts % groups != 0) {
    throw sim::ConfigError(fmt::format(
        "eplb: {} ranks over {} nodes, {} experts in {} groups: the numbers do not divide",
        plan.ranks, nodes, plan.experts, groups));
  }
  if (groups % nodes != 0) groups = nodes = 1;  // global

  // Groups to nodes: the experts in the order of their nodes.
  const std::uint32_t group_size = plan.experts / groups;
  std::vector<float> group_load(groups);
  for (std::uint32_t e = 0; e < plan.experts; ++e) group_load[e / group_size] += load[e];
  const Packing to_node = balanced_packing(group_load, nodes);
  std::vector<ExpertId> ordered(plan.experts);
  for (std::uint32_t g = 0; g < groups; ++g) {
    const std::uint32_t at = (to_node.pack[g] * (groups / nodes) + to_node.place[g]) * group_size;
    for (std::uint32_t i = 0; i < group_size; ++i) {
      ordered[at + i] = static_cast<ExpertId>(g * group_size + i);
    }
  }

  const std::uint32_t node_experts = plan.experts / nodes, node_slots = plan.slots() / nodes;
  const std::uint32_t node_ranks = plan.ranks / nodes, per_rank = plan.slots() / plan.ranks;
  std::vector<ExpertId> slots(plan.slots());
  for (std::uint32_t n = 0; n < nodes; ++n) {
    std::vector<float> mine;
    for (std::uint32_t i = 0; i < node_experts; ++i)
      mine.push_back(load[ordered[n * node_experts + i]]);
    const Replication copies = replicate(mine, node_slots);
    std::vector<float> each;
    for (const ExpertId e : copies.slot_expert) {
      each.push_back(mine[e] / static_cast<float>(copies.replicas[e]));
    }
    const Packing to_rank = balanced_packing(each, node_ranks);
    for (std::uint32_t s = 0; s < node_slots; ++s) {
      slots[n * node_slots + to_rank.pack[s] * per_rank + to_rank.place[s]] =
          ordered[n * node_experts + copies.slot_expert[s]];
    }
  }
  return slots;
}

ExpertPlacement eplb_placement(const LoadTable& loads, const EplbShape& shape) {
  ExpertPlacement placement{"eplb", {}};
  for (std::uint32_t l = 0; l < loads.layers; ++l) {
    const auto counts = loads.layer(l);
    std::vector<float> load;
    for (const std::uint64_t count : counts) load.push_back(static_cast<float>(count));
    placement.layers.emplace_back(eplb_slots(load, shape), shape.plan.experts, shape.plan.ranks);
  }
  return placement;
}

}  // namespace moesim::workloads
