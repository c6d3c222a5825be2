#include "workloads/routing/statistics/spread.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace moesim::workloads {

Spread spread_of(std::span<const std::uint64_t> load) {
  Spread spread;
  const auto total =
      static_cast<double>(std::accumulate(load.begin(), load.end(), std::uint64_t{0}));
  spread.zeros = std::count(load.begin(), load.end(), std::uint64_t{0});
  if (total == 0) return spread;
  const auto places = static_cast<double>(load.size());
  spread.max_over_mean =
      static_cast<double>(*std::max_element(load.begin(), load.end())) * places / total;
  if (load.size() == 1) return spread;
  double entropy = 0;
  for (const std::uint64_t part : load) {
    const double share = static_cast<double>(part) / total;
    if (part > 0) entropy -= share * std::log(share);
  }
  spread.normalised_entropy = entropy / std::log(places);
  return spread;
}

}  // namespace moesim::workloads
