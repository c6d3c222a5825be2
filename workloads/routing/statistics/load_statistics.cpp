#include "workloads/routing/statistics/load_statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace moesim::workloads {
namespace {

double sum_of(std::span<const std::uint64_t> loads) {
  return static_cast<double>(std::accumulate(loads.begin(), loads.end(), std::uint64_t{0}));
}

}  // namespace

double gini(std::span<const std::uint64_t> loads) {
  const double sum = sum_of(loads);
  if (sum == 0) return 0;
  std::vector<std::uint64_t> sorted(loads.begin(), loads.end());
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  double weighted = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    weighted += (2 * (static_cast<double>(i) + 1) - n - 1) * static_cast<double>(sorted[i]);
  }
  return weighted / (n * sum);
}

std::uint32_t starved_experts(std::span<const std::uint64_t> loads) {
  const double least = 0.1 * sum_of(loads) / static_cast<double>(loads.size());
  return static_cast<std::uint32_t>(std::count_if(
      loads.begin(), loads.end(),
      [&](std::uint64_t load) { return load == 0 || static_cast<double>(load) < least; }));
}

double js_distance(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b) {
  const double sum_a = sum_of(a), sum_b = sum_of(b);
  if (sum_a == 0 || sum_b == 0) return 0;
  // (KL(p | m) + KL(q | m)) / 2 with m = (p + q) / 2.
  double divergence = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double p = static_cast<double>(a[i]) / sum_a, q = static_cast<double>(b[i]) / sum_b;
    const double m = (p + q) / 2;
    if (p > 0) divergence += p * std::log2(p / m) / 2;
    if (q > 0) divergence += q * std::log2(q / m) / 2;
  }
  return std::sqrt(std::max(0.0, divergence));
}

}  // namespace moesim::workloads
