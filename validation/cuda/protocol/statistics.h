// Percentiles of samples, and an order that looks random and is the same everywhere.
#pragma once

#include <cstdint>
#include <vector>

namespace moesim::validation::cuda {

// The value below which `share` (0 … 1) of the samples lie, linear between neighbours: of n sorted
// samples, the one at share * (n - 1). REQUIRES: there are samples
double percentile(std::vector<double> samples, double share);

// 0 … count - 1, shuffled.
std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed);

}  // namespace moesim::validation::cuda
