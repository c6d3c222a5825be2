#include "validation/statistics.h"

#include <algorithm>
#include <cmath>

#include "sim/check.h"

namespace moesim::validation {

double quantile(std::vector<double> values, double q) {
  SIM_CHECK(!values.empty() && q >= 0 && q <= 1, "a quantile of something");
  const double place = q * static_cast<double>(values.size() - 1);
  const std::size_t below = static_cast<std::size_t>(place);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::ranges::nth_element(values, at);
  const double low = *at;
  if (below + 1 == values.size()) return low;
  const double high = *std::min_element(at + 1, values.end());
  return low + (high - low) * (place - static_cast<double>(below));
}

ErrorSummary summarise(std::span<const Comparison> comparisons) {
  ErrorSummary s;
  s.n = static_cast<std::int64_t>(comparisons.size());
  if (comparisons.empty()) return s;
  std::vector<double> absolute, relative;
  double sum = 0, covered = 0;
  for (const Comparison& c : comparisons) {
    const double error = (c.predicted / c.measured - 1) * 100;
    relative.push_back(error);
    absolute.push_back(std::abs(error));
    sum += std::abs(error);
    covered += c.measured >= c.low && c.measured <= c.high ? 1 : 0;
  }
  const double n = static_cast<double>(s.n);
  s.mape = sum / n;
  s.median = quantile(absolute, 0.5);
  s.p90 = quantile(absolute, 0.9);
  s.bias = quantile(relative, 0.5);
  s.coverage90 = 100 * covered / n;
  return s;
}

}  // namespace moesim::validation
