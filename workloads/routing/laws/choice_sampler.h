// A token's choice of experts by their popularity, with or without a limit on its groups.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "workloads/routing/laws/subset_sampler.h"

namespace moesim::workloads {

// Group-limited routing (DeepSeek-V3: 8 and 4): a token's experts lie in `per_token` of `groups`
// equal groups of consecutive experts, as many in each.
struct GroupLimit {
  std::uint32_t groups = 1;
  std::uint32_t per_token = 1;

  bool is_limit() const { return per_token < groups; }
};

// The probability that each expert is among a token's `top_k`. REQUIRES: the numbers divide
std::vector<double> choice_probabilities(std::span<const double> weights, std::uint32_t top_k,
                                         GroupLimit limit);

class ChoiceSampler {
 public:
  // With `groups_per_token` < `groups` the experts of a token lie in so many of `groups` equal
  // groups of consecutive experts, as many in each. The popularity of a group is the sum of its
  // experts'. REQUIRES: the numbers divide
  ChoiceSampler(std::span<const double> weights, std::uint32_t top_k, std::uint32_t groups,
                std::uint32_t groups_per_token, std::uint64_t key);

  void draw(std::uint64_t bits, ExpertId* out) const {
    if (in_group_.empty()) return all_.draw(bits, out);
    draw_grouped(bits, out);
  }

 private:
  void draw_grouped(std::uint64_t bits, ExpertId* out) const;

  SubsetSampler all_;  // of the experts, or of the groups
  std::vector<SubsetSampler> in_group_;
};

}  // namespace moesim::workloads
