#include "sim/max_min.h"

#include <algorithm>

namespace moesim::sim {

std::vector<Bandwidth> max_min_rates(std::span<const Bandwidth> capacities,
                                     std::span<const FlowPath> flows) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  std::vector<double> left(capacities.size());
  std::vector<std::size_t> unfrozen(capacities.size(), 0);
  for (std::size_t l = 0; l < left.size(); ++l) left[l] = capacities[l].bytes_per_second();
  for (const FlowPath& flow : flows) {
    for (const auto l : flow.links) ++unfrozen[l];
  }
  std::vector<Bandwidth> rates(flows.size());
  std::vector<bool> frozen(flows.size(), false);
  for (std::size_t done = 0; done < flows.size();) {
    // The level at which the next link fills up, or the next flow reaches its own limit.
    double level = kInfinite;
    for (std::size_t l = 0; l < left.size(); ++l) {
      if (unfrozen[l] > 0) level = std::min(level, left[l] / static_cast<double>(unfrozen[l]));
    }
    for (std::size_t f = 0; f < flows.size(); ++f) {
      if (!frozen[f]) level = std::min(level, flows[f].limit.bytes_per_second());
    }
    std::vector<bool> full(left.size());
    for (std::size_t l = 0; l < left.size(); ++l) {
      full[l] =
          unfrozen[l] > 0 && left[l] / static_cast<double>(unfrozen[l]) <= level * (1 + 1e-12);
    }
    for (std::size_t f = 0; f < flows.size(); ++f) {
      const FlowPath& flow = flows[f];
      const bool stops =
          flow.limit.bytes_per_second() <= level ||
          std::any_of(flow.links.begin(), flow.links.end(), [&](auto l) { return full[l]; });
      if (frozen[f] || !stops) continue;
      frozen[f] = true;
      ++done;
      rates[f] = Bandwidth(level);
      for (const auto l : flow.links) {
        left[l] = std::max(0.0, left[l] - level);
        --unfrozen[l];
      }
    }
  }
  return rates;
}

}  // namespace moesim::sim
