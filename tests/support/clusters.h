// Small clusters in code, and one exchange played on them.
#pragma once

#include <map>
#include <utility>

#include "hardware/cluster.h"
#include "hardware/collectives/models.h"
#include "hardware/network/cluster_network.h"
#include "hardware/network/network_model.h"
#include "hardware/network/topology.h"
#include "sim/engine.h"

namespace moesim::testing {

// Nodes of `per_node` devices: 450 GB/s and 250 ns a link to the node's switch, one 400 Gbit/s rail
// each to a network that never limits, 500 ns a link.
inline hardware::Cluster small_cluster(std::int64_t nodes, std::int64_t per_node) {
  using namespace sim::literals;
  hardware::Cluster cluster;
  cluster.nodes = nodes;
  cluster.gpus_per_node = per_node;
  cluster.scale_up = {hardware::ScaleUp::Kind::Switch, 450_GBps, 250ns};
  cluster.scale_out.fabric = hardware::ScaleOut::Fabric::NonBlocking;
  cluster.scale_out.nics_per_node = per_node;
  cluster.scale_out.bandwidth = 400_Gbps;
  cluster.scale_out.latency = 500ns;
  cluster.topology = hardware::make_topology(cluster);
  cluster.collectives = hardware::collective_models(cluster.device);
  return cluster;
}

// When each rank was done.
class DoneTimes final : public sim::ExchangeListener {
 public:
  explicit DoneTimes(sim::Engine& engine) : engine_(engine) {}
  void rank_done(sim::ExchangeId exchange, sim::Rank rank) override {
    done[{exchange, rank}] = engine_.now();
    last = engine_.now();
  }
  sim::Time of(sim::Rank rank, sim::ExchangeId exchange = 0) const {
    return done.at({exchange, rank});
  }
  std::map<std::pair<sim::ExchangeId, sim::Rank>, sim::Time> done;
  sim::Time last{};

 private:
  sim::Engine& engine_;
};

// All ranks arrive at once; the time from then until the last is done.
inline sim::Duration play(const hardware::Cluster& cluster, const sim::Exchange& exchange,
                          hardware::Fidelity fidelity, double tolerance = 0) {
  sim::Engine engine;
  hardware::ClusterNetwork links(cluster.topology);
  const auto network = hardware::make_network_model(links, fidelity, engine, tolerance);
  DoneTimes listener(engine);
  for (const auto rank : exchange.participants) network->arrive(0, exchange, rank, listener);
  engine.run();
  return listener.last - sim::Time{};
}

}  // namespace moesim::testing
