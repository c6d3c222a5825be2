// A quantile of a sample, between its two order statistics around (n - 1) q (numpy's "linear").
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "sim/check.h"

namespace moesim::sim {

// REQUIRES: `sorted` is in ascending order and not empty, 0 <= q <= 1
inline double quantile_of_sorted(std::span<const double> sorted, double q) {
  SIM_CHECK(!sorted.empty() && q >= 0 && q <= 1, "a quantile of something");
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - static_cast<double>(low));
}

}  // namespace moesim::sim
