// Which law a trace's loads follow, and how well.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "workloads/routing/laws/laws.h"
#include "workloads/routing/statistics/analysis.h"

namespace moesim::workloads {

// The loads of a layer as a law has them on average: over the mean, from the least to the greatest,
// at the middles of `experts` equal parts. `tokens` matters to the power law alone.
std::vector<double> expected_loads(Law law, double skew, std::uint32_t experts, std::uint32_t top_k,
                                   std::uint32_t tokens);

struct LawFit {
  Law law = Law::Uniform;
  double skew = 0;           // 0 for balanced and uniform
  double error = 0;          // root mean square, in units of the mean load, over experts and layers
  double explained = 0;      // 1 - (error / that of equal loads)^2
  double max_over_mean = 0;  // that the law expects, next to the trace's own
};

// The best skew of each law, one for all layers; the best law first. Uniform and balanced are one:
// equal loads.
std::vector<LawFit> fit_laws(const LoadTable& loads, std::uint32_t top_k, std::uint32_t tokens);

}  // namespace moesim::workloads
