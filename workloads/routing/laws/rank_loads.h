// Loads that are known by rank only: what an engine's log or a dashboard shows of a service whose
// routing nobody recorded. Tokens are drawn so that every rank's expected share of the selections
// is the one that was measured; the experts of a rank are alike.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "workloads/routing/laws/choice_sampler.h"

namespace moesim::workloads {

struct RankLoads {
  std::vector<double> loads = {};  // of each expert-parallel rank, in any unit: ratios count
  double max_over_mean = 0;        // or of the busiest; the others share the rest alike

  bool given() const { return !loads.empty() || max_over_mean > 0; }
  std::string description() const;
};

// Loads of the ranks in a layer, their mean being 1. With max_over_mean the busiest rank is drawn
// for each layer. REQUIRES: given(); as many loads as ranks, not all 0; max_over_mean <= ranks
std::vector<double> loads_in_layer(const RankLoads& from, std::uint32_t ranks, std::uint32_t layer,
                                   std::uint64_t seed);

// The popularity of each expert: its rank's load over the rank's experts. A rank without load keeps
// a millionth of the mean, so that there is always something to choose from.
// `rank_of`: [experts]
std::vector<double> expert_popularity(std::span<const double> loads,
                                      std::span<const std::uint32_t> rank_of);

// What is wrong where the choice of `top_k` different experts cannot give a rank its load: "rank 0
// would have 3 times the mean, but can get 2 of it: …". Empty: nothing, to a thousandth.
std::string unreachable_load(std::span<const double> loads, std::span<const std::uint32_t> rank_of,
                             std::uint32_t top_k, GroupLimit limit);

}  // namespace moesim::workloads
