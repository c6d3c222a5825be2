#include "hardware/cluster.h"

#include "hardware/network/builders.h"
#include "hardware/network/topology.h"

namespace moesim::hardware {

sim::Rank Cluster::ranks() const {
  return topology->ranks();
}

double Cluster::speed_of(sim::Rank rank) const {
  for (const SlowDevice& one : slow) {
    if (one.rank == rank) return one.speed;
  }
  return 1;
}

std::uint32_t Cluster::node_of(sim::Rank rank) const {
  return topology->node[rank];
}

std::shared_ptr<const Topology> make_topology(const Cluster& cluster) {
  return std::make_shared<const Topology>(build_topology(cluster));
}

}  // namespace moesim::hardware
