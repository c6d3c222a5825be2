// From a closed form and a group's transfers to an exchange whose time on an idle network is the
// form's: what passes without bytes becomes its startup (less the paths' latency, which the play
// adds), and its bytes count for as much on each kind of link as keeps the busiest port busy for
// the form's time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/collectives/forms/parts.h"
#include "hardware/collectives/models.h"
#include "hardware/collectives/priced_exchange.h"
#include "hardware/kernels/rates.h"
#include "sim/exchange.h"

namespace moesim::hardware {

// The ranks of a group, node by node.
struct GroupNodes {
  GroupNodes(const Cluster& cluster, std::span<const sim::Rank> group);
  std::vector<std::vector<sim::Rank>> nodes;
  std::size_t ranks() const;
  std::size_t least = 0, most = 0;  // ranks of a node
};

// What is sent or received, at most: by a rank over the links of its node, by a rank over its NIC,
// and by a NIC, which ranks may share.
struct PortLoads {
  PortBytes rank = {};
  double nic = 0;

  PortLoads operator*(double each) const {
    return {{rank.near * each, rank.far * each}, nic * each};
  }
};
// Of its transfers.
PortLoads loads_of(const Cluster& cluster, const sim::Exchange& exchange);
// In messages [source x rank] of a group that lies so on its nodes.
PortLoads loads_of(const Cluster& cluster, const std::vector<std::uint32_t>& counts,
                   const GroupNodes& lie);

// Of the group, without transfers or time.
sim::Exchange empty_exchange(std::span<const sim::Rank> group, std::string name);

// The device's rates with the cluster's own links: a rank's, each way, and its part of a NIC.
Rates rates_of(const Cluster& cluster, const PortLoads& loads = {});

void set_time(sim::Exchange& exchange, const Cluster& cluster, const Parts& parts, double us,
              const PortLoads& loads);
sim::Duration duration_of(double us);

// REQUIRES: the exchange has its transfers, and `loads` are theirs.
template <class M>
PricedExchange priced(const Cluster& cluster, sim::Exchange exchange, const PortLoads& loads,
                      const CollectiveModel<M>& model, const typename M::Shape& shape) {
  const Rates rates = rates_of(cluster, loads);
  const Estimate estimate = model.estimate(shape, rates);
  set_time(exchange, cluster, M::parts(shape, rates, model.parameters()), estimate.us, loads);
  return {.exchange = std::move(exchange),
          .alone = duration_of(estimate.us),
          .trust = trust_of(estimate, &model.use())};
}

}  // namespace moesim::hardware
