#include <algorithm>
#include <numeric>

#include "sim/check.h"
#include "workloads/placement/balanced.h"
#include "workloads/placement/node_slots.h"

namespace moesim::workloads {
namespace {

// One layer. asked[n][e]: how often the tokens of node n choose expert e.
std::vector<ExpertId> place_layer(const std::vector<std::vector<double>>& asked,
                                  const SlotPlan& plan) {
  const std::size_t nodes = asked.size(), experts = plan.experts;
  std::vector<double> load(experts);
  for (const auto& from : asked) {
    for (std::size_t e = 0; e < experts; ++e) load[e] += from[e];
  }
  // Homes: the heaviest expert first, to the node whose network then brings in the least.
  std::vector<std::size_t> order(experts);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return load[a] > load[b]; });
  std::vector<double> inward(nodes);
  std::vector<std::vector<bool>> holds(nodes, std::vector<bool>(experts));
  std::vector<std::vector<ExpertId>> slots(nodes);
  for (const std::size_t e : order) {
    std::size_t best = nodes;
    for (std::size_t n = 0; n < nodes; ++n) {
      if (slots[n].size() == experts / nodes) continue;
      if (best == nodes || inward[n] - asked[n][e] < inward[best] - asked[best][e]) best = n;
    }
    inward[best] += load[e] - asked[best][e];
    holds[best][e] = true;
    slots[best].push_back(static_cast<ExpertId>(e));
  }
  // Redundant slots: what the node's own tokens ask for most and it lacks; once it has all, the
  // experts with the highest load per replica.
  std::vector<double> replicas(experts, 1);
  for (std::size_t n = 0; n < nodes; ++n) {
    for (std::size_t i = 0; i < plan.redundant / nodes; ++i) {
      std::size_t best = experts;
      for (std::size_t e = 0; e < experts; ++e) {
        if (!holds[n][e] && (best == experts || asked[n][e] > asked[n][best])) best = e;
      }
      if (best == experts) {
        best = 0;
        for (std::size_t e = 1; e < experts; ++e) {
          if (load[e] / replicas[e] > load[best] / replicas[best]) best = e;
        }
      }
      holds[n][best] = true;
      ++replicas[best];
      slots[n].push_back(static_cast<ExpertId>(best));
    }
  }
  // What a slot gets: its node's own tokens, and a part of those of nodes that lack the expert.
  std::vector<double> homeless(experts);
  for (std::size_t n = 0; n < nodes; ++n) {
    for (std::size_t e = 0; e < experts; ++e) homeless[e] += holds[n][e] ? 0 : asked[n][e];
  }
  std::vector<std::vector<NodeSlot>> slots_of(nodes);
  for (std::size_t n = 0; n < nodes; ++n) {
    for (const ExpertId e : slots[n]) {
      const auto here = static_cast<double>(std::count(slots[n].begin(), slots[n].end(), e));
      slots_of[n].push_back(
          {e, static_cast<float>(asked[n][e] / here + homeless[e] / replicas[e])});
    }
  }
  return pack_nodes(slots_of, plan);
}

}  // namespace

ExpertPlacement topology_placement(const EplbShape& shape, const PlacementEvidence& evidence) {
  check_nodes("topology", shape);
  SIM_CHECK(evidence.from_node.size() == shape.nodes, "the evidence is of the same nodes");
  ExpertPlacement placement{"topology", {}};
  for (std::uint32_t l = 0; l < evidence.loads.layers; ++l) {
    std::vector<std::vector<double>> asked;
    for (const LoadTable& from : evidence.from_node) {
      const auto counts = from.layer(l);
      asked.emplace_back(counts.begin(), counts.end());
    }
    placement.layers.emplace_back(place_layer(asked, shape.plan), shape.plan.experts,
                                  shape.plan.ranks);
  }
  return placement;
}

}  // namespace moesim::workloads
