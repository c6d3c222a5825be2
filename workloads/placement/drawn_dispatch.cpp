#include "workloads/placement/drawn_dispatch.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <unordered_map>

#include "sim/check.h"
#include "sim/random.h"
#include "workloads/routing/counter_random.h"

namespace moesim::workloads {
namespace {

using Places = std::set<std::uint32_t>;

bool is_disjoint(const std::vector<Places>& of_groups) {
  std::size_t sum = 0;
  Places all;
  for (const Places& places : of_groups) {
    sum += places.size();
    all.insert(places.begin(), places.end());
  }
  return all.size() == sum;
}

bool is_one_each(const std::vector<Places>& of_groups) {
  return std::ranges::all_of(of_groups, [](const Places& places) { return places.size() == 1; });
}

std::vector<std::size_t> heaviest_first(std::span<const double> weights) {
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [&](std::size_t i) { return weights[i]; });
  return order;
}

std::vector<double> in_order(std::span<const double> weights, std::span<const std::size_t> order) {
  std::vector<double> result;
  for (const std::size_t i : order) result.push_back(weights[i]);
  return result;
}

}  // namespace

std::optional<DrawnDispatch> DrawnDispatch::of(const ChoiceSets& sets,
                                               const LayerPlacement& placement,
                                               std::span<const std::uint16_t> node,
                                               const DispatchWanted& wanted) {
  if (placement.has_replicas()) return std::nullopt;
  DrawnDispatch made;
  made.placement_ = &placement;
  made.selections_ = wanted.selections;
  made.once_ = wanted.tokens || wanted.node_tokens;
  made.node_.assign(node.begin(), node.end());
  if (!node.empty()) made.nodes_ = *std::ranges::max_element(node) + 1u;
  std::vector<std::uint32_t> slot_of(placement.experts());
  for (std::uint32_t slot = 0; slot < placement.slots(); ++slot)
    slot_of[placement.slot_expert()[slot]] = slot;

  std::vector<Places> ranks(sets.inside.size()), nodes(sets.inside.size());
  for (std::size_t g = 0; g < sets.inside.size(); ++g) {
    for (const std::uint32_t expert : sets.inside[g].members) {
      const std::uint32_t rank = placement.rank_of_slot(slot_of[expert]);
      ranks[g].insert(rank);
      nodes[g].insert(node.empty() ? 0 : node[rank]);
    }
  }
  made.ranks_by_group_ = !is_disjoint(ranks);
  made.nodes_by_group_ = !is_disjoint(nodes);
  if (made.once_ && ((made.ranks_by_group_ && !is_one_each(ranks)) ||
                     (made.nodes_by_group_ && !is_one_each(nodes))))
    return std::nullopt;

  const std::vector<std::size_t> order = heaviest_first(sets.groups.weights);
  made.groups_.emplace(in_order(sets.groups.weights, order));
  for (const std::size_t i : order) {
    const std::span<const std::uint32_t> groups = sets.groups.set(i);
    Places of_ranks, of_nodes;
    for (const std::uint32_t g : groups) {
      if (made.ranks_by_group_) of_ranks.insert(ranks[g].begin(), ranks[g].end());
      if (made.nodes_by_group_) of_nodes.insert(nodes[g].begin(), nodes[g].end());
    }
    made.of_set_.add(groups);
    made.ranks_of_set_.add(of_ranks);
    made.nodes_of_set_.add(of_nodes);
  }
  for (const WeightedSets& inside : sets.inside)
    made.inside_.push_back(made.inside_of(inside, slot_of));
  return made;
}

DrawnDispatch::Inside DrawnDispatch::inside_of(const WeightedSets& sets,
                                               std::span<const std::uint32_t> slot_of) const {
  // What the sets reach; classes in the order in which they are met.
  Lists reached;
  std::vector<double> weights;
  std::vector<std::uint32_t> class_of(sets.size()), ranks;
  std::unordered_map<std::uint64_t, std::uint32_t> known;  // by hash
  known.reserve(sets.size());
  for (std::size_t i = 0; i < sets.size(); ++i) {
    ranks.clear();
    for (const std::uint32_t expert : sets.set(i))
      ranks.push_back(placement_->rank_of_slot(slot_of[expert]));
    std::ranges::sort(ranks);
    if (!selections_) ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
    std::uint64_t hash = ranks.size();
    for (const std::uint32_t rank : ranks) hash = sim::mix(hash ^ rank);
    const auto next = static_cast<std::uint32_t>(weights.size());
    const auto [found, is_new] = known.try_emplace(hash, next);
    class_of[i] = found->second;
    if (is_new || !std::ranges::equal(reached[class_of[i]], ranks)) {
      class_of[i] = next;
      weights.push_back(0);
      reached.add(ranks);
    }
    weights[class_of[i]] += sets.weights[i];
  }
  std::vector<std::vector<std::uint32_t>> members(weights.size());
  for (std::uint32_t i = 0; i < sets.size(); ++i) members[class_of[i]].push_back(i);

  Inside inside;
  inside.each = sets.each;
  const std::vector<std::size_t> order = heaviest_first(weights);
  inside.reached.emplace(in_order(weights, order));
  std::vector<std::uint32_t> nodes, slots;
  std::vector<double> of_sets;
  for (const std::size_t at : order) {
    const std::span<const std::uint32_t> all = reached[at];
    if (selections_) inside.ranks.add(all);
    ranks.assign(all.begin(), all.end());
    ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
    nodes.clear();
    for (const std::uint32_t rank : ranks) nodes.push_back(node_.empty() ? 0 : node_[rank]);
    std::ranges::sort(nodes);
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    inside.tokens.add(ranks);
    inside.nodes.add(nodes);
    slots.clear(), of_sets.clear();
    for (const std::uint32_t i : members[at]) {
      of_sets.push_back(sets.weights[i]);
      for (const std::uint32_t expert : sets.set(i)) slots.push_back(slot_of[expert]);
    }
    inside.slots.add(slots);
    inside.sets.emplace_back();
    if (of_sets.size() > 1) inside.sets.back().emplace(of_sets);
  }
  return inside;
}

std::size_t DrawnDispatch::draws() const {
  std::size_t sum = groups_->outcomes();
  for (const Inside& inside : inside_) sum += inside.reached->outcomes();
  return sum;
}

void DrawnDispatch::count(std::uint64_t key, std::uint32_t first, const TokenSources& sources,
                          DispatchCounts& out) const {
  SIM_CHECK(sources.ranks() == placement_->ranks(), "the sources are the placement's ranks");
  SIM_CHECK(sources.nodes() == nodes_, "the sources' nodes are those that this was made with");
  out.ranks = placement_->ranks();
  out.nodes = nodes_;
  out.slots_per_rank = placement_->slots_per_rank();
  out.missing = 0;
  out.rows.assign(placement_->slots(), 0);
  out.selections.assign(selections_ ? std::size_t{out.ranks} * out.ranks : 0, 0);
  out.tokens.assign(once_ ? std::size_t{out.ranks} * out.ranks : 0, 0);
  out.node_tokens.assign(once_ ? std::size_t{out.ranks} * out.nodes : 0, 0);

  const auto add = [](std::span<const std::uint32_t> places, std::uint32_t tokens,
                      std::uint32_t* to) {
    for (const std::uint32_t place : places) to[place] += tokens;
  };
  std::vector<std::uint32_t> by_set(groups_->outcomes()), in_group(inside_.size()), drawn;
  std::vector<std::vector<std::uint32_t>> totals;  // of each group's classes, over all sources
  for (const Inside& inside : inside_) totals.emplace_back(inside.reached->outcomes());
  for (std::uint32_t source = 0; source < sources.ranks(); ++source) {
    CounterStream random(counter_bits(key ^ 0x636f756e7473, first + sources.begin[source]));
    groups_->draw(sources.begin[source + 1] - sources.begin[source], random, by_set);
    std::uint32_t* const selections =
        selections_ ? &out.selections[std::size_t{source} * out.ranks] : nullptr;
    std::uint32_t* const of_ranks = once_ ? &out.tokens[std::size_t{source} * out.ranks] : nullptr;
    std::uint32_t* const of_nodes =
        once_ ? &out.node_tokens[std::size_t{source} * out.nodes] : nullptr;
    std::ranges::fill(in_group, 0);
    for (std::size_t set = 0; set < by_set.size(); ++set) {
      add(of_set_[set], by_set[set], in_group.data());
      if (!once_) continue;
      add(ranks_of_set_[set], by_set[set], of_ranks);
      add(nodes_of_set_[set], by_set[set], of_nodes);
    }
    for (std::size_t g = 0; g < inside_.size(); ++g) {
      const Inside& inside = inside_[g];
      drawn.resize(inside.reached->outcomes());
      inside.reached->draw(in_group[g], random, drawn);
      for (std::size_t c = 0; c < drawn.size(); ++c) {
        if (drawn[c] == 0) continue;
        totals[g][c] += drawn[c];
        if (selections_) add(inside.ranks[c], drawn[c], selections);
        if (once_ && !ranks_by_group_) add(inside.tokens[c], drawn[c], of_ranks);
        if (once_ && !nodes_by_group_) add(inside.nodes[c], drawn[c], of_nodes);
      }
    }
  }
  CounterStream random(counter_bits(key ^ 0x726f7773, first));
  for (std::size_t g = 0; g < inside_.size(); ++g) {
    const Inside& inside = inside_[g];
    for (std::size_t c = 0; c < totals[g].size(); ++c) {
      if (totals[g][c] == 0) continue;
      const std::span<const std::uint32_t> slots = inside.slots[c];
      if (!inside.sets[c]) {
        add(slots, totals[g][c], out.rows.data());
        continue;
      }
      drawn.resize(inside.sets[c]->outcomes());
      inside.sets[c]->draw(totals[g][c], random, drawn);
      for (std::size_t set = 0; set < drawn.size(); ++set)
        add(slots.subspan(set * inside.each, inside.each), drawn[set], out.rows.data());
    }
  }
}

}  // namespace moesim::workloads
