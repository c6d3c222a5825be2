#include "workloads/routing/statistics/law_fit.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "workloads/routing/laws/subset_sampler.h"

namespace moesim::workloads {
namespace {

// The standard normal's quantile, by bisection of its distribution.
double normal_quantile(double p) {
  double low = -10, high = 10;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(-middle / std::sqrt(2.0)) / 2 < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

// All layers' loads over their mean, each sorted; and the mean of those curves.
std::vector<std::vector<double>> sorted_loads(const LoadTable& loads) {
  std::vector<std::vector<double>> curves;
  for (std::uint32_t l = 0; l < loads.layers; ++l) {
    const auto layer = loads.layer(l);
    const double sum =
        static_cast<double>(std::accumulate(layer.begin(), layer.end(), std::uint64_t{0}));
    if (sum == 0) continue;
    auto& curve = curves.emplace_back();
    for (const std::uint64_t load : layer)
      curve.push_back(static_cast<double>(load) * loads.experts / sum);
    std::sort(curve.begin(), curve.end());
  }
  return curves;
}

double error_of(const std::vector<std::vector<double>>& curves,
                const std::vector<double>& expected) {
  double sum = 0, count = 0;
  for (const auto& curve : curves) {
    for (std::size_t i = 0; i < curve.size(); ++i)
      sum += (curve[i] - expected[i]) * (curve[i] - expected[i]);
    count += static_cast<double>(curve.size());
  }
  return count == 0 ? 0 : std::sqrt(sum / count);
}

}  // namespace

std::vector<double> expected_loads(Law law, double skew, std::uint32_t experts, std::uint32_t top_k,
                                   std::uint32_t tokens) {
  std::vector<double> weights(experts, 1.0);
  for (std::uint32_t i = 0; i < experts; ++i) {
    const double p = (i + 0.5) / experts;
    if (law == Law::Zipf) weights[i] = std::pow(experts - i, -skew);
    if (law == Law::LogNormal) weights[i] = std::exp(skew * normal_quantile(p));
    if (law == Law::PowerLaw) weights[i] = power_law_quantile(p, skew, experts, top_k, tokens);
  }
  auto loads = inclusion_probabilities(weights, top_k);
  for (double& load : loads) load *= static_cast<double>(experts) / top_k;
  std::sort(loads.begin(), loads.end());
  return loads;
}

std::vector<LawFit> fit_laws(const LoadTable& loads, std::uint32_t top_k, std::uint32_t tokens) {
  const auto curves = sorted_loads(loads);
  const auto error = [&](Law law, double skew) {
    return error_of(curves, expected_loads(law, skew, loads.experts, top_k, tokens));
  };
  const double equal = error(Law::Uniform, 0);
  std::vector<LawFit> fits{{Law::Uniform, 0, equal, 0, 1}};
  for (const Law law : {Law::Zipf, Law::PowerLaw, Law::LogNormal}) {
    // The best of a grid, then halving steps around it.
    double best = 0, least = error(law, 0);
    for (double skew = 0.1; skew < 4.05; skew += 0.1) {
      if (const double e = error(law, skew); e < least) {
        least = e;
        best = skew;
      }
    }
    for (double step = 0.05; step > 1e-4; step /= 2) {
      for (const double skew : {best - step, best + step}) {
        if (skew < 0) continue;
        if (const double e = error(law, skew); e < least) {
          least = e;
          best = skew;
        }
      }
    }
    const auto curve = expected_loads(law, best, loads.experts, top_k, tokens);
    fits.push_back(
        {law, best, least, equal == 0 ? 0 : 1 - least * least / (equal * equal), curve.back()});
  }
  std::stable_sort(fits.begin(), fits.end(),
                   [](const LawFit& a, const LawFit& b) { return a.error < b.error; });
  return fits;
}

}  // namespace moesim::workloads
