// The sets of experts that a token's choice can be, with the probability of each.
//
// A sampler picks by a line and a start on it (subset_sampler.h). So its sets are few, at most one
// more than experts for each line, and many tokens' choices need not be drawn token by token: how
// often each set is chosen is one draw from a multinomial distribution.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "workloads/routing/laws/choice_sampler.h"
#include "workloads/routing/routing.h"

namespace moesim::workloads {

struct WeightedSets {
  std::uint32_t each = 0;              // numbers of a set
  std::vector<std::uint32_t> members;  // [sets x each], each set ascending
  std::vector<double> weights;         // [sets], proportional to the probabilities

  std::size_t size() const { return weights.size(); }
  std::span<const std::uint32_t> set(std::size_t i) const {
    return {members.data() + i * each, each};
  }
};

// As ChoiceSampler draws, to its last bit: a set of groups first, then within each of them, for
// itself, a set of its experts. Without a limit there is one group of all experts.
struct ChoiceSets {
  WeightedSets groups;
  std::vector<WeightedSets> inside;  // [groups]: experts by their number in the layer
};

// The sum of each of `groups` equal groups of consecutive experts. REQUIRES: the numbers divide
std::vector<double> group_sums(std::span<const double> weights, std::uint32_t groups);

// The sets that SubsetSampler(weights, top_k, key) draws. Equal ones may come twice.
// REQUIRES: as there
WeightedSets subset_sets(std::span<const double> weights, std::uint32_t top_k, std::uint64_t key);

// Those of ChoiceSampler(weights, top_k, limit.groups, limit.per_token, key).
ChoiceSets choice_sets(std::span<const double> weights, std::uint32_t top_k, GroupLimit limit,
                       std::uint64_t key);

// A source of routing whose tokens each choose for themselves, by one law in a layer and a step.
class IndependentTokens {
 public:
  virtual ~IndependentTokens() = default;

  // None where the law knows no few sets.
  virtual std::optional<ChoiceSets> sets(std::uint32_t step, std::uint32_t layer) const = 0;
  // Whether those of a layer are the same in every step.
  virtual bool steady() const = 0;
  // Of the random numbers of a layer in a step.
  virtual std::uint64_t key(std::uint32_t step, std::uint32_t layer) const = 0;
};

}  // namespace moesim::workloads
