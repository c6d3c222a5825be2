#include "validation/confidence.h"

#include <algorithm>
#include <cmath>

namespace moesim::validation {
namespace {

// Deviations between the tenth and the ninetieth percentile.
constexpr double kEighty = 2.5631031310892007;

double of_models(const EngineCapacity& c) {
  return c.p10 > 0 && c.p90 > c.p10 ? std::log(c.p90 / c.p10) / kEighty : 0;
}

double length(const std::array<double, workloads::kFactors>& shares) {
  double sum = 0;
  for (const double share : shares) sum += share * share;
  return std::sqrt(sum);
}

}  // namespace

std::array<double, workloads::kFactors> shares_of(const workloads::FactorTimes& times) {
  std::array<double, workloads::kFactors> shares{};
  double sum = 0;
  for (const sim::Duration time : times) sum += static_cast<double>(time.count());
  for (std::size_t f = 0; f < shares.size() && sum > 0; ++f)
    shares[f] = static_cast<double>(times[f].count()) / sum;
  return shares;
}

double normal_below(double z) {
  return 0.5 * std::erfc(-z / std::sqrt(2.0));
}

double normal_quantile(double p) {
  double low = -40, high = 40;
  while (high - low > 1e-10) {
    const double middle = (low + high) / 2;
    (normal_below(middle) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

double deviation_of(const EngineCapacity& capacity, double structure) {
  return std::hypot(of_models(capacity), structure);
}

double probability_of(double capacity, double rate, double deviation) {
  if (capacity <= 0) return 0;
  return normal_below(std::log(capacity / rate) / deviation);
}

double capacity_for(double rate, double probability, double deviation) {
  return rate * std::exp(normal_quantile(probability) * deviation);
}

double probability_better(const EngineCapacity& a, double capacity_a, const EngineCapacity& b,
                          double capacity_b, bool one_device, double structure) {
  const double log_ratio = std::log(capacity_a / capacity_b);
  double variance = structure * structure;  // half of it twice
  if (one_device) {
    // Of a factor: what each says of it, on average.
    const double la = length(a.share), lb = length(b.share);
    const double of_a = la > 0 ? of_models(a) / la : 0, of_b = lb > 0 ? of_models(b) / lb : 0;
    const double each = (of_a + of_b) / 2;
    for (std::size_t f = 0; f < a.share.size(); ++f)
      variance += std::pow(each * (a.share[f] - b.share[f]), 2);
  } else {
    variance = std::pow(deviation_of(a, structure), 2) + std::pow(deviation_of(b, structure), 2);
  }
  if (variance == 0) return log_ratio > 0 ? 1 : log_ratio < 0 ? 0 : 0.5;
  return normal_below(log_ratio / std::sqrt(variance));
}

}  // namespace moesim::validation
