#include "hardware/collectives/shape.h"

#include <algorithm>

namespace moesim::hardware {

double network_rate(const Cluster& cluster) {
  const ScaleOut& out = cluster.scale_out;
  double rate = out.bandwidth.bytes_per_second() * 1e-6;
  if (out.fabric == ScaleOut::Fabric::Torus) return rate * 2;  // one ring, both ways
  if (out.nics_per_node > 0) {
    rate *= static_cast<double>(out.nics_per_node) / static_cast<double>(cluster.gpus_per_node);
  }
  return rate;
}

double path_latency_us(const Cluster& cluster, std::span<const sim::Rank> group) {
  if (group.size() < 2) return 0;
  const bool near = cluster.near(group.front(), group.back());
  const auto latency = near ? cluster.scale_up.latency * 2
                            : (cluster.scale_out.latency + cluster.scale_out.host_latency) * 2;
  return microseconds(latency);
}

}  // namespace moesim::hardware
