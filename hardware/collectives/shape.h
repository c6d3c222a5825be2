// Helpers of the builders: how a group lies on nodes, and the time of parts that overlap.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <vector>

#include "hardware/cluster.h"
#include "sim/exchange.h"

namespace moesim::hardware {

// The ranks of a group, node by node.
struct GroupNodes {
  GroupNodes(const Cluster& cluster, std::span<const sim::Rank> group) {
    std::map<std::uint32_t, std::vector<sim::Rank>> by_node;
    for (const sim::Rank r : group) by_node[cluster.node_of(r)].push_back(r);
    for (auto& [node, ranks] : by_node) {
      least = least == 0 ? ranks.size() : std::min(least, ranks.size());
      most = std::max(most, ranks.size());
      nodes.push_back(std::move(ranks));
    }
  }
  std::vector<std::vector<sim::Rank>> nodes;
  std::size_t least = 0, most = 0;  // ranks of a node
};

// What the busiest ranks send or receive: the most over the links of a node, the most over NICs.
struct Volumes {
  double near = 0, far = 0;
};
Volumes volumes_of(const Cluster& cluster, std::span<const sim::Transfer> transfers);

inline double microseconds(sim::Duration d) {
  return sim::to_us(d);
}
inline sim::Duration from_us(double us) {
  return us > 0 ? sim::Duration(static_cast<std::int64_t>(us * 1e6 + 0.5)) : sim::Duration{};
}

// Bytes a microsecond of a rank, each way.
inline double link_rate(const Cluster& cluster) {
  return cluster.scale_up.bandwidth.bytes_per_second() * 1e-6;
}
double network_rate(const Cluster& cluster);

// (a^p + b^p + c^p)^(1/p): parts that overlap, of which the longest shows.
inline double overlapped(double a, double b, double c, double power) {
  const double most = std::max({a, b, c});
  if (!(most > 0)) return 0;
  return most *
         std::pow(std::pow(a / most, power) + std::pow(b / most, power) + std::pow(c / most, power),
                  1 / power);
}

// What the paths between ranks of the cluster take without bytes, us: it is part of what a measured
// startup contains, and the play adds it by itself.
double path_latency_us(const Cluster& cluster, std::span<const sim::Rank> group);

}  // namespace moesim::hardware
