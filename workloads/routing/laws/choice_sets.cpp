#include "workloads/routing/laws/choice_sets.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "sim/random.h"
#include "workloads/routing/counter_random.h"
#include "workloads/routing/laws/subset_lines.h"

namespace moesim::workloads {
namespace {

// Adds sets up that are the same.
class SetsOf {
 public:
  // At most `most` different ones.
  SetsOf(std::uint32_t each, std::size_t most) {
    sets_.each = each;
    places_.reserve(most);
  }

  void add(std::span<std::uint32_t> set, double weight) {
    std::ranges::sort(set);
    std::uint64_t hash = 0;
    for (const std::uint32_t number : set) hash = sim::mix(hash ^ number);
    const auto [found, is_new] = places_.try_emplace(hash, sets_.size());
    if (!is_new && std::ranges::equal(sets_.set(found->second), set)) {
      sets_.weights[found->second] += weight;
      return;
    }
    sets_.members.insert(sets_.members.end(), set.begin(), set.end());
    sets_.weights.push_back(weight);
  }
  WeightedSets take() { return std::move(sets_); }

 private:
  WeightedSets sets_;
  std::unordered_map<std::uint64_t, std::size_t> places_;  // by hash: the first such set
};

}  // namespace

WeightedSets subset_sets(std::span<const double> weights, std::uint32_t top_k, std::uint64_t key) {
  const SubsetLines lines = subset_lines(weights, top_k, key);
  const std::size_t experts = weights.size();
  SetsOf sets(top_k, lines.orders * (experts + 1));
  std::vector<std::uint32_t> ends(experts), starts, place(top_k), set(top_k);
  for (std::size_t o = 0; o < lines.orders; ++o) {
    const ExpertId* names = lines.names.data() + o * experts;
    // From start to start, by whole units from one pick to the next, the set stays the same until
    // the end of an expert is met.
    starts.assign(1, 0);
    std::uint32_t end = 0;
    for (std::size_t e = 0; e < experts; ++e) {
      ends[e] = end += lines.length[names[e]];
      starts.push_back(end % lines.unit);
    }
    std::ranges::sort(starts);
    starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
    std::ranges::fill(place, 0);
    for (std::size_t i = 0; i < starts.size(); ++i) {
      for (std::uint32_t k = 0; k < top_k; ++k) {
        while (ends[place[k]] <= k * lines.unit + starts[i]) ++place[k];
        set[k] = names[place[k]];
      }
      const std::uint32_t until = i + 1 < starts.size() ? starts[i + 1] : lines.unit;
      sets.add(set, until - starts[i]);
    }
  }
  return sets.take();
}

ChoiceSets choice_sets(std::span<const double> weights, std::uint32_t top_k, GroupLimit limit,
                       std::uint64_t key) {
  if (!limit.is_limit())
    return {.groups = {.each = 1, .members = {0}, .weights = {1}},
            .inside = {subset_sets(weights, top_k, key)}};
  const std::size_t size = weights.size() / limit.groups;
  ChoiceSets sets{.groups = subset_sets(group_sums(weights, limit.groups), limit.per_token, key),
                  .inside = {}};
  for (std::uint32_t g = 0; g < limit.groups; ++g) {
    sets.inside.push_back(subset_sets(weights.subspan(g * size, size), top_k / limit.per_token,
                                      counter_bits(key, g)));
    for (std::uint32_t& expert : sets.inside.back().members)
      expert += static_cast<std::uint32_t>(g * size);
  }
  return sets;
}

}  // namespace moesim::workloads
