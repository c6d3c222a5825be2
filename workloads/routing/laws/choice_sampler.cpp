#include "workloads/routing/laws/choice_sampler.h"

#include <algorithm>

#include "workloads/routing/counter_random.h"
#include "workloads/routing/laws/choice_sets.h"

namespace moesim::workloads {
namespace {

SubsetSampler outer(std::span<const double> weights, std::uint32_t top_k, std::uint32_t groups,
                    std::uint32_t groups_per_token, std::uint64_t key) {
  if (groups_per_token == groups) return SubsetSampler(weights, top_k, key);
  return SubsetSampler(group_sums(weights, groups), groups_per_token, key);
}

}  // namespace

std::vector<double> group_sums(std::span<const double> weights, std::uint32_t groups) {
  const std::size_t size = weights.size() / groups;
  std::vector<double> sums(groups);
  for (std::size_t e = 0; e < weights.size(); ++e) sums[e / size] += weights[e];
  return sums;
}

std::vector<double> choice_probabilities(std::span<const double> weights, std::uint32_t top_k,
                                         GroupLimit limit) {
  if (!limit.is_limit()) return inclusion_probabilities(weights, top_k);
  const std::vector<double> of_group =
      inclusion_probabilities(group_sums(weights, limit.groups), limit.per_token);
  const std::size_t size = weights.size() / limit.groups;
  std::vector<double> probabilities;
  for (std::size_t g = 0; g < limit.groups; ++g) {
    for (const double within :
         inclusion_probabilities(weights.subspan(g * size, size), top_k / limit.per_token)) {
      probabilities.push_back(of_group[g] * within);
    }
  }
  return probabilities;
}

ChoiceSampler::ChoiceSampler(std::span<const double> weights, std::uint32_t top_k,
                             std::uint32_t groups, std::uint32_t groups_per_token,
                             std::uint64_t key)
    : all_(outer(weights, top_k, groups, groups_per_token, key)) {
  if (groups_per_token == groups) return;
  const std::size_t size = weights.size() / groups;
  for (std::uint32_t g = 0; g < groups; ++g) {
    in_group_.emplace_back(weights.subspan(g * size, size), top_k / groups_per_token,
                           counter_bits(key, g));
  }
}

void ChoiceSampler::draw_grouped(std::uint64_t bits, ExpertId* out) const {
  const std::uint32_t used = all_.top_k(), each = in_group_[0].top_k();
  const std::uint32_t size = in_group_[0].experts();
  ExpertId groups[64];
  std::vector<ExpertId> more;
  ExpertId* chosen = groups;
  if (used > 64) {
    more.resize(used);
    chosen = more.data();
  }
  all_.draw(bits, chosen);
  for (std::uint32_t i = 0; i < used; ++i) {
    in_group_[chosen[i]].draw(counter_bits(bits, chosen[i]), out);
    for (std::uint32_t k = 0; k < each; ++k) {
      out[k] = static_cast<ExpertId>(out[k] + chosen[i] * size);
    }
    out += each;
  }
}

}  // namespace moesim::workloads
