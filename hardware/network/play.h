// One exchange alone on a cluster: what it takes, and what bounds it.
#pragma once

#include <cstdint>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/network/network_model.h"
#include "sim/exchange.h"

namespace moesim::hardware {

struct PlayedExchange {
  sim::Duration completion{};       // from the arrival of all ranks until the last is done
  sim::Duration lower_bound{};      // network_model.h
  std::vector<sim::Duration> done;  // of each participant
  std::vector<LinkUse> links;       // that carried anything, the busiest first
  std::uint64_t events = 0;         // of the simulation
  NetworkCounters counters;
};

// All ranks arrive at once. Throws InfeasibleError where there is no way between two of them.
PlayedExchange play_exchange(ClusterNetwork& network, const sim::Exchange& exchange,
                             Fidelity fidelity, double tolerance = kDefaultTolerance);

// On a network of its own.
PlayedExchange play_exchange(const Cluster& cluster, const sim::Exchange& exchange,
                             Fidelity fidelity, double tolerance = kDefaultTolerance);

}  // namespace moesim::hardware
