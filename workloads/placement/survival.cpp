#include "workloads/placement/survival.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "sim/error.h"

namespace moesim::workloads {
namespace {

// Ranks and pairs of ranks whose loss takes all slots of an expert, over all layers.
struct Fatal {
  std::set<std::uint32_t> ranks = {}, nodes = {};
  std::set<std::pair<std::uint32_t, std::uint32_t>> pairs = {};
};

void look(const LayerPlacement& layer, std::span<const std::uint16_t> node, Fatal& fatal) {
  for (std::uint32_t e = 0; e < layer.experts(); ++e) {
    std::vector<std::uint32_t> ranks;  // that are different, up to three
    bool one_node = true;
    for (const std::uint32_t slot : layer.replicas(static_cast<ExpertId>(e))) {
      const std::uint32_t rank = layer.rank_of_slot(slot);
      if (ranks.size() < 3 && std::ranges::find(ranks, rank) == ranks.end()) ranks.push_back(rank);
      one_node = one_node && (node.empty() || node[rank] == node[ranks.front()]);
    }
    // Slots ascend, and so do their ranks.
    if (ranks.size() == 1) fatal.ranks.insert(ranks[0]);
    if (ranks.size() == 2) fatal.pairs.insert({ranks[0], ranks[1]});
    if (one_node) fatal.nodes.insert(node.empty() ? 0u : node[ranks[0]]);
  }
}

}  // namespace

Survival survival_of(const ExpertPlacement& placement, std::span<const std::uint16_t> node) {
  Fatal fatal;
  for (const LayerPlacement& layer : placement.layers) look(layer, node, fatal);
  const std::uint32_t ranks = placement.layers.front().ranks();
  Survival result{.any_gpu = fatal.ranks.empty(), .any_node = fatal.nodes.empty()};
  const auto fatal_ranks = static_cast<std::uint32_t>(fatal.ranks.size());
  result.one_gpu = 1 - static_cast<double>(fatal_ranks) / ranks;
  // Pairs of ranks either of which alone is survived.
  const std::uint64_t safe = ranks - fatal_ranks;
  std::uint64_t pairs = safe * (safe - (safe > 0 ? 1 : 0)) / 2;
  for (const auto& [a, b] : fatal.pairs) {
    if (!fatal.ranks.contains(a) && !fatal.ranks.contains(b)) --pairs;
  }
  const std::uint64_t all = std::uint64_t{ranks} * (ranks - 1) / 2;
  result.two_gpus = all == 0 ? 0 : static_cast<double>(pairs) / static_cast<double>(all);
  return result;
}

Survival both(const Survival& a, const Survival& b) {
  return {.any_gpu = a.any_gpu && b.any_gpu,
          .any_node = a.any_node && b.any_node,
          .one_gpu = std::min(a.one_gpu, b.one_gpu),
          .two_gpus = std::min(a.two_gpus, b.two_gpus)};
}

ExpertPlacement without_ranks(const ExpertPlacement& placement,
                              std::span<const std::uint32_t> lost) {
  ExpertPlacement left{placement.name, {}};
  for (std::size_t l = 0; l < placement.layers.size(); ++l) {
    const LayerPlacement& layer = placement.layers[l];
    std::vector<ExpertId> slots;
    std::vector<bool> held(layer.experts());
    for (std::uint32_t s = 0; s < layer.slots(); ++s) {
      if (std::ranges::binary_search(lost, layer.rank_of_slot(s))) continue;
      slots.push_back(layer.slot_expert()[s]);
      held[layer.slot_expert()[s]] = true;
    }
    const auto missing = std::ranges::find(held, false);
    if (missing != held.end()) {
      throw sim::InfeasibleError(fmt::format(
          "mixture layer {}: with rank{} {} of the experts' ranks expert {} is lost: the engine is "
          "down until it is started anew; placement.survive: gpu, with a redundant slot for each "
          "expert, keeps every expert on two GPUs, and node on two nodes",
          l, lost.size() == 1 ? "" : "s", fmt::join(lost, ", "), missing - held.begin()));
    }
    left.layers.emplace_back(std::move(slots), layer.experts(),
                             layer.ranks() - static_cast<std::uint32_t>(lost.size()));
  }
  return left;
}

}  // namespace moesim::workloads
