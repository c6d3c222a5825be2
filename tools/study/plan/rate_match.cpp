#include "tools/study/plan/rate_match.h"

#include <algorithm>
#include <cmath>

namespace moesim::tools {
namespace {

constexpr std::int64_t kMostEngines = 8;

}  // namespace

MatchedPools match(const PoolRate& prefill, const PoolRate& decode, std::int64_t most_gpus) {
  MatchedPools best;
  double best_a_gpu = 0;
  std::int64_t best_gpus = 0;
  for (std::int64_t p = 1; p <= kMostEngines; ++p) {
    for (std::int64_t d = 1; d <= kMostEngines; ++d) {
      const std::int64_t gpus = p * prefill.gpus + d * decode.gpus;
      const double carried =
          std::min(static_cast<double>(p) * prefill.rate, static_cast<double>(d) * decode.rate);
      if (gpus > most_gpus || carried <= 0) continue;
      const double a_gpu = carried / static_cast<double>(gpus);
      // Ratios that are equal but for rounding are: 2 and 4 are 1 and 2.
      const bool more = a_gpu > best_a_gpu * (1 + 1e-9);
      const bool as_much = a_gpu >= best_a_gpu * (1 - 1e-9);
      if (!more && !(as_much && gpus < best_gpus)) continue;
      best = {p, d, carried};
      best_a_gpu = a_gpu;
      best_gpus = gpus;
    }
  }
  return best;
}

MatchedPools fewest_for(const PoolRate& prefill, const PoolRate& decode, double rate,
                        std::int64_t most_gpus) {
  if (prefill.rate <= 0 || decode.rate <= 0) return {};
  const double p = std::max(1.0, std::ceil(rate / prefill.rate)),
               d = std::max(1.0, std::ceil(rate / decode.rate));
  if (p > kMostEngines || d > kMostEngines) return {};
  const MatchedPools found{static_cast<std::int64_t>(p), static_cast<std::int64_t>(d),
                           std::min(p * prefill.rate, d * decode.rate)};
  const std::int64_t gpus = found.prefill * prefill.gpus + found.decode * decode.gpus;
  return gpus <= most_gpus ? found : MatchedPools{};
}

}  // namespace moesim::tools
