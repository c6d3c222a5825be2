#include "workloads/placement/eplb.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

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

namespace {

// Packs that are filled one item at a time.
class Packs {
 public:
  Packs(std::span<const float> weights, std::span<const ExpertId> expert, std::uint32_t packs,
        std::uint32_t packs_per_domain)
      : weights_(weights),
        expert_(expert),
        each_domain_(packs_per_domain),
        items_(packs),
        sum_(packs),
        room_(weights.size() / packs) {}

  // The lightest pack with room that `suits` takes; none where there is none.
  template <typename Suits>
  std::optional<std::uint32_t> lightest(const Suits& suits) const {
    std::optional<std::uint32_t> found;
    for (std::uint32_t p = 0; p < items_.size(); ++p) {
      if (items_[p].size() == room_ || !suits(p)) continue;
      if (!found || sum_[p] < sum_[*found]) found = p;
    }
    return found;
  }
  bool holds(std::uint32_t pack, ExpertId expert) const {
    return std::ranges::any_of(items_[pack],
                               [&](std::uint32_t item) { return expert_[item] == expert; });
  }
  // Replicas of an expert in a domain.
  std::size_t in_domain(std::uint32_t domain, ExpertId expert) const {
    std::size_t count = 0;
    for (std::uint32_t p = domain * each_domain_; p < (domain + 1) * each_domain_; ++p) {
      for (const std::uint32_t item : items_[p]) count += expert_[item] == expert ? 1u : 0u;
    }
    return count;
  }
  std::uint32_t domain_of(std::uint32_t pack) const { return pack / each_domain_; }
  std::uint32_t domains() const { return static_cast<std::uint32_t>(items_.size()) / each_domain_; }
  void put(std::uint32_t item, std::uint32_t pack) {
    items_[pack].push_back(item);
    sum_[pack] += weights_[item];
  }
  // Makes room in a domain that does not hold the item's expert: what stands there goes to `pack`,
  // and is in two domains still. Of those that do, the one of the most like weight.
  void exchange(std::uint32_t item, std::uint32_t pack) {
    const std::uint32_t full = domain_of(pack);
    std::optional<std::pair<std::uint32_t, std::size_t>> best;
    float nearest = 0;
    for (std::uint32_t p = 0; p < items_.size(); ++p) {
      if (domain_of(p) == full || in_domain(domain_of(p), expert_[item]) > 0) continue;
      for (std::size_t at = 0; at < items_[p].size(); ++at) {
        const ExpertId other = expert_[items_[p][at]];
        if (!stays_apart(other, domain_of(p), full)) continue;
        const float off = std::abs(weights_[items_[p][at]] - weights_[item]);
        if (best && off >= nearest) continue;
        best = {p, at};
        nearest = off;
      }
    }
    SIM_CHECK(best.has_value(), "an exchange keeps replicas apart");
    const std::uint32_t moved = items_[best->first][best->second];
    items_[best->first][best->second] = item;
    sum_[best->first] += weights_[item] - weights_[moved];
    put(moved, pack);
  }
  Packing packing() const {
    Packing result{std::vector<std::uint32_t>(weights_.size()),
                   std::vector<std::uint32_t>(weights_.size())};
    for (std::uint32_t p = 0; p < items_.size(); ++p) {
      for (std::uint32_t at = 0; at < items_[p].size(); ++at) {
        result.pack[items_[p][at]] = p;
        result.place[items_[p][at]] = at;
      }
    }
    return result;
  }

 private:
  // One replica less in `from`, one more in `to`.
  bool stays_apart(ExpertId expert, std::uint32_t from, std::uint32_t to) const {
    if (in_domain(from, expert) > 1) return true;
    for (std::uint32_t d = 0; d < domains(); ++d) {
      if (d != from && d != to && in_domain(d, expert) > 0) return true;
    }
    return false;
  }

  std::span<const float> weights_;
  std::span<const ExpertId> expert_;
  std::uint32_t each_domain_;
  std::vector<std::vector<std::uint32_t>> items_;  // of each pack, by place
  std::vector<float> sum_;
  std::size_t room_;
};

}  // namespace

Packing packing_apart(std::span<const float> weights, std::span<const ExpertId> expert,
                      std::uint32_t packs, std::uint32_t packs_per_domain) {
  SIM_CHECK(weights.size() % packs == 0 && packs / packs_per_domain >= 2,
            "the items divide over packs of two domains or more");
  std::vector<std::uint32_t> order(weights.size());
  std::iota(order.begin(), order.end(), 0u);
  // The heaviest first, and the replicas of an expert one after another: whatever stands is whole.
  std::ranges::stable_sort(order, [&](std::uint32_t a, std::uint32_t b) {
    return weights[a] != weights[b] ? weights[a] > weights[b] : expert[a] < expert[b];
  });
  Packs filled(weights, expert, packs, packs_per_domain);
  std::uint32_t copy = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::uint32_t item = order[i];
    const ExpertId e = expert[item];
    copy = i > 0 && expert[order[i - 1]] == e ? copy + 1 : 0;
    auto pack = copy == 1 ? filled.lightest([&](std::uint32_t p) {
      return filled.in_domain(filled.domain_of(p), e) == 0;
    })
                          : filled.lightest([&](std::uint32_t p) { return !filled.holds(p, e); });
    if (pack) {
      filled.put(item, *pack);
      continue;
    }
    pack = filled.lightest([](std::uint32_t) { return true; });
    if (copy == 1) {
      filled.exchange(item, *pack);
    } else {
      filled.put(item, *pack);
    }
  }
  return filled.packing();
}

std::string survive_problem(const EplbShape& shape) {
  if (shape.survive == Survive::None) return {};
  const SlotPlan& plan = shape.plan;
  const bool node = shape.survive == Survive::Node;
  const std::string what =
      fmt::format("survive: {}: ", kSurviveNames[static_cast<std::size_t>(shape.survive)]);
  if ((node ? shape.nodes : plan.ranks) < 2) {
    return what + (node
                       ? "the experts are on one node, and with it all are lost: ranks on two "
                         "nodes or more would do"
                       : "the experts are on one rank, and with it all are lost: ep of two or more "
                         "would do");
  }
  if (plan.slots() < 2 * plan.experts) {
    return what + fmt::format(
                      "{} slots cannot hold {} experts twice; placement.redundant: {} would do",
                      plan.slots(), plan.experts,
                      (2 * plan.experts + plan.ranks - 1) / plan.ranks * plan.ranks - plan.experts);
  }
  return {};
}

Replication replicate(std::span<const float> loads, std::uint32_t slots, std::uint32_t least) {
  Replication result;
  for (std::uint32_t copy = 0; copy < least; ++copy) {
    for (std::size_t e = 0; e < loads.size(); ++e)
      result.slot_expert.push_back(static_cast<ExpertId>(e));
  }
  result.replicas.assign(loads.size(), least);
  std::vector<float> each(loads.begin(), loads.end());
  for (float& load : each) load /= static_cast<float>(least);
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
  if (std::string wrong = survive_problem(shape); !wrong.empty()) throw sim::ConfigError(wrong);
  // Global: also where what is lost is all that an expert's node has for it.
  const std::uint32_t on_node = plan.ranks / nodes;
  if (groups % nodes != 0 || shape.survive == Survive::Node ||
      (shape.survive == Survive::Gpu && on_node == 1))
    groups = nodes = 1;

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
    const bool apart = shape.survive != Survive::None;
    const Replication copies = replicate(mine, node_slots, apart ? 2 : 1);
    std::vector<float> each;
    for (const ExpertId e : copies.slot_expert) {
      each.push_back(mine[e] / static_cast<float>(copies.replicas[e]));
    }
    const Packing to_rank = apart ? packing_apart(each, copies.slot_expert, node_ranks,
                                                  shape.survive == Survive::Node ? on_node : 1)
                                  : balanced_packing(each, node_ranks);
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
