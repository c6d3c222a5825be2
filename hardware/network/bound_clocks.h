// Exchanges in closed form (network_model.h, Bound) from instants to instants, without events: who
// knows when each rank arrives asks when each is done. To the picosecond what BoundModel plays.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hardware/network/cluster_network.h"
#include "hardware/network/network_model.h"
#include "hardware/network/participants.h"
#include "hardware/network/traffic.h"

namespace moesim::hardware {

class BoundClocks {
 public:
  // The network outlives this. `counts`: whether what is played is counted for link_use().
  explicit BoundClocks(ClusterNetwork& network, bool counts = true)
      : network_(network), traffic_(network), counts_(counts) {}

  // Of each participant, in their order; valid until the next play.
  struct Played {
    std::span<const sim::Time> done;
    // Who it waited for: of those that it exchanges bytes with and itself the one that came last,
    // the first among equals.
    std::span<const std::uint32_t> kept_by;
  };
  // REQUIRES: an arrival a participant
  Played play(const sim::Exchange& exchange, std::span<const sim::Time> arrivals);

  std::vector<LinkUse> link_use() const { return traffic_.link_use(); }

 private:
  void find_last(const sim::Exchange& exchange, std::span<const sim::Time> arrivals);

  ClusterNetwork& network_;
  Traffic traffic_;
  bool counts_;
  Participants participants_;
  std::vector<std::uint32_t> order_;    // places, the last arrival first
  std::vector<std::uint32_t> kept_by_;  // of each place
  std::vector<sim::Time> done_;
};

}  // namespace moesim::hardware
