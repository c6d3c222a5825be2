#include "hardware/collectives/shape.h"

#include <algorithm>
#include <cstdint>

namespace moesim::hardware {

Volumes volumes_of(const Cluster& cluster, std::span<const sim::Transfer> transfers) {
  struct Load {
    std::int64_t sent = 0, received = 0;
  };
  std::vector<Load> near(cluster.ranks()), far(cluster.ranks());
  for (const sim::Transfer& t : transfers) {
    if (t.source == t.destination) continue;
    auto& loads = cluster.near(t.source, t.destination) ? near : far;
    loads[t.source].sent += t.bytes.count();
    loads[t.destination].received += t.bytes.count();
  }
  const auto most = [](const std::vector<Load>& loads) {
    std::int64_t bytes = 0;
    for (const Load& load : loads) bytes = std::max({bytes, load.sent, load.received});
    return static_cast<double>(bytes);
  };
  return {most(near), most(far)};
}

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
