#include <algorithm>

#include "sim/check.h"
#include "workloads/placement/balanced.h"
#include "workloads/placement/node_slots.h"

namespace moesim::workloads {
namespace {

constexpr double kNodeSlack = 1.02;

// Experts on nodes of equal number, exchanged while that brings more pairs together.
class Partition {
 public:
  Partition(std::span<const float> load, const std::vector<std::uint32_t>& pairs,
            std::uint32_t nodes)
      : load_(load),
        pairs_(pairs),
        nodes_(nodes),
        node_(balanced_packing(load, nodes).pack),
        node_load_(nodes),
        bond_(load.size() * nodes) {
    const std::size_t experts = load_.size();
    for (std::size_t e = 0; e < experts; ++e) {
      node_load_[node_[e]] += load_[e];
      for (std::size_t f = 0; f < experts; ++f)
        bond_[e * nodes_ + node_[f]] += pairs_[e * experts + f];
    }
    double sum = 0;
    for (const double x : node_load_) sum += x;
    limit_ =
        std::max(kNodeSlack * sum / nodes, *std::max_element(node_load_.begin(), node_load_.end()));
  }

  void improve() {
    const std::size_t experts = load_.size();
    for (std::size_t round = 0; round < 2 * experts; ++round) {
      std::int64_t best = 0;
      std::size_t left = 0, right = 0;
      for (std::size_t a = 0; a < experts; ++a) {
        for (std::size_t b = a + 1; b < experts; ++b) {
          if (node_[a] == node_[b]) continue;
          const std::int64_t gain = bond(a, node_[b]) - bond(a, node_[a]) + bond(b, node_[a]) -
                                    bond(b, node_[b]) - 2 * std::int64_t{pairs_[a * experts + b]};
          if (gain > best && fits(a, b)) {
            best = gain;
            left = a;
            right = b;
          }
        }
      }
      if (best == 0) return;
      exchange(left, right);
    }
  }

  const std::vector<std::uint32_t>& node() const { return node_; }

 private:
  std::int64_t bond(std::size_t expert, std::uint32_t node) const {
    return bond_[expert * nodes_ + node];
  }
  bool fits(std::size_t a, std::size_t b) const {
    const double moved = static_cast<double>(load_[a]) - static_cast<double>(load_[b]);
    return node_load_[node_[a]] - moved <= limit_ && node_load_[node_[b]] + moved <= limit_;
  }
  void exchange(std::size_t a, std::size_t b) {
    const std::size_t experts = load_.size();
    const std::uint32_t from = node_[a], to = node_[b];
    const double moved = static_cast<double>(load_[a]) - static_cast<double>(load_[b]);
    node_load_[from] -= moved;
    node_load_[to] += moved;
    for (std::size_t e = 0; e < experts; ++e) {
      const std::int64_t change =
          std::int64_t{pairs_[e * experts + b]} - std::int64_t{pairs_[e * experts + a]};
      bond_[e * nodes_ + from] += change;
      bond_[e * nodes_ + to] -= change;
    }
    std::swap(node_[a], node_[b]);
  }

  std::span<const float> load_;
  const std::vector<std::uint32_t>& pairs_;
  std::size_t nodes_;
  std::vector<std::uint32_t> node_;
  std::vector<double> node_load_;
  std::vector<std::int64_t> bond_;  // [experts x nodes]: pairs with the experts of a node
  double limit_ = 0;
};

}  // namespace

ExpertPlacement coactivation_placement(const EplbShape& shape, const PlacementEvidence& evidence) {
  check_nodes("coactivation", shape);
  SIM_CHECK(evidence.pairs.size() == evidence.loads.layers, "the evidence has pairs");
  const SlotPlan& plan = shape.plan;
  ExpertPlacement placement{"coactivation", {}};
  for (std::uint32_t l = 0; l < evidence.loads.layers; ++l) {
    const auto counts = evidence.loads.layer(l);
    std::vector<float> load;
    for (const std::uint64_t count : counts) load.push_back(static_cast<float>(count));
    Partition partition(load, evidence.pairs[l], shape.nodes);
    partition.improve();
    std::vector<std::vector<NodeSlot>> slots_of(shape.nodes);
    for (std::uint32_t n = 0; n < shape.nodes; ++n) {
      std::vector<ExpertId> mine;
      std::vector<float> loads;
      for (std::uint32_t e = 0; e < plan.experts; ++e) {
        if (partition.node()[e] != n) continue;
        mine.push_back(static_cast<ExpertId>(e));
        loads.push_back(load[e]);
      }
      const Replication copies = replicate(loads, plan.slots() / shape.nodes);
      for (const ExpertId e : copies.slot_expert) {
        slots_of[n].push_back({mine[e], loads[e] / static_cast<float>(copies.replicas[e])});
      }
    }
    placement.layers.emplace_back(pack_nodes(slots_of, plan), plan.experts, plan.ranks);
  }
  return placement;
}

}  // namespace moesim::workloads
