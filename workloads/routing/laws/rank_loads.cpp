#include "workloads/routing/laws/rank_loads.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/check.h"
#include "sim/random.h"

namespace moesim::workloads {

std::string RankLoads::description() const {
  if (loads.empty()) return fmt::format("busiest rank {} times the mean", max_over_mean);
  return fmt::format("loads of {} ranks, as given", loads.size());
}

std::vector<double> loads_in_layer(const RankLoads& from, std::uint32_t ranks, std::uint32_t layer,
                                   std::uint64_t seed) {
  SIM_CHECK(from.given(), "there are loads of ranks");
  if (from.loads.empty()) {
    SIM_CHECK(from.max_over_mean <= ranks, "no rank has more than everything");
    const double others = ranks > 1 ? (ranks - from.max_over_mean) / (ranks - 1.0) : 1;
    std::vector<double> loads(ranks, others);
    sim::Random random(seed, fmt::format("routing/busiest rank/layer {}", layer));
    loads[random.below(ranks)] = from.max_over_mean;
    return loads;
  }
  SIM_CHECK(from.loads.size() == ranks, "every rank has a load");
  const double sum = std::accumulate(from.loads.begin(), from.loads.end(), 0.0);
  SIM_CHECK(sum > 0, "some rank has a load");
  std::vector<double> loads = from.loads;
  for (double& load : loads) load *= ranks / sum;
  return loads;
}

std::vector<double> expert_popularity(std::span<const double> loads,
                                      std::span<const std::uint32_t> rank_of) {
  constexpr double kLeast = 1e-6;  // of the mean
  std::vector<double> experts(loads.size());
  for (const std::uint32_t rank : rank_of) experts[rank] += 1;
  std::vector<double> popularity;
  popularity.reserve(rank_of.size());
  for (const std::uint32_t rank : rank_of) {
    popularity.push_back(std::max(loads[rank], kLeast) / experts[rank]);
  }
  return popularity;
}

std::string unreachable_load(std::span<const double> loads, std::span<const std::uint32_t> rank_of,
                             std::uint32_t top_k, GroupLimit limit) {
  const std::vector<double> chosen =
      choice_probabilities(expert_popularity(loads, rank_of), top_k, limit);
  std::vector<double> reached(loads.size());
  for (std::size_t e = 0; e < rank_of.size(); ++e) {
    reached[rank_of[e]] += chosen[e] * static_cast<double>(loads.size()) / top_k;
  }
  constexpr double kTolerance = 1e-3;
  for (std::size_t rank = 0; rank < loads.size(); ++rank) {
    if (loads[rank] - reached[rank] <= kTolerance) continue;
    const std::string groups =
        limit.is_limit() ? fmt::format(" in {} of {} groups", limit.per_token, limit.groups) : "";
    return fmt::format(
        "rank {} would have {:.4g} times the mean, but gets at most {:.4g} of it: a token chooses "
        "{} "
        "different experts of {}{}",
        rank, loads[rank], reached[rank], top_k, rank_of.size(), groups);
  }
  return {};
}

}  // namespace moesim::workloads
