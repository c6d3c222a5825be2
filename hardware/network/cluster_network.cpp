#include "hardware/network/cluster_network.h"

#include <utility>

namespace moesim::hardware {

ClusterNetwork::ClusterNetwork(std::shared_ptr<const Topology> topology)
    : paths_(std::move(topology)), bound_times_(*this) {}

const Ports& ClusterNetwork::ports_of(const std::vector<sim::Rank>& ranks) {
  const Outline outline{ranks.size(), ranks.empty() ? 0 : ranks.front(),
                        ranks.empty() ? 0 : ranks.back()};
  const auto [first, last] = ports_.equal_range(outline);
  for (auto known = first; known != last; ++known) {
    if (known->second.ranks() == ranks) return known->second;
  }
  return ports_.emplace(outline, Ports(paths_, ranks))->second;
}

}  // namespace moesim::hardware
