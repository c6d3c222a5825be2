// Links that a fault of the cluster slows, or cuts: what closed forms, which know the cluster's
// bandwidths, do not see. An exchange takes its closed form and what the network as it is makes it
// longer than the network that the cluster's file describes: at the slowest port of a ring, over
// another GPU of the node where a link is down.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "hardware/cluster.h"
#include "hardware/network/cluster_network.h"
#include "sim/exchange.h"
#include "workloads/deployment/deployment.h"

namespace moesim::workloads {

class SlowLinks {
 public:
  explicit SlowLinks(const hardware::Cluster& cluster);

  // Whether there are any. Of links that the file lists one by one only those that are down.
  bool any() const { return described_ != nullptr; }
  // How much longer exchanges of disjoint groups that start at once take, all of one collective.
  sim::Duration more(std::span<const sim::Exchange> together) const;

 private:
  std::unique_ptr<hardware::ClusterNetwork> actual_ = {}, described_ = {};
};

// What stands against playing the first expert group for all: a group elsewhere whose links are
// slowed more. Empty: nothing.
std::string slow_links_problem(const Deployment& deployment);

}  // namespace moesim::workloads
