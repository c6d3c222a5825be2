// The bytes that ranks have put on the wire, and from them those of every link that carried any.
// Costs what talked: of each rank by where its bytes turned (ascents.h), or of each pair where
// paths are not by structure.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "hardware/network/cluster_network.h"
#include "hardware/network/network_model.h"

namespace moesim::hardware {

class Traffic {
 public:
  // The network outlives this.
  explicit Traffic(ClusterNetwork& network) : network_(network) {}
  // All that the exchange moves.
  void add(const sim::Exchange& exchange);
  // Of each link that carried anything, in the topology's order.
  std::vector<LinkUse> link_use() const;

 private:
  using Bytes = std::vector<double>;  // on the wire
  struct OfGroup {
    const Ports* ports;
    Bytes sent, received;  // [way x place]
  };
  struct Turned {  // what a rank sent and received, by the rise where it turned; from 1
    Bytes up, down;
  };
  struct OnLink {
    LinkId link;
    double bytes;
  };

  void add_transfers(const sim::Exchange& exchange);
  void add_messages(const sim::Exchange& exchange);
  void add_pairs(const sim::Exchange& exchange);
  void climb(sim::Rank rank, std::size_t top, double bytes, bool up,
             std::vector<OnLink>& carried) const;

  ClusterNetwork& network_;
  std::vector<OfGroup> groups_;  // in the order in which they first talked
  std::unordered_map<const Ports*, std::size_t> place_of_group_;
  std::map<sim::Rank, Turned> turned_;
  // Where paths are not by structure.
  std::map<std::vector<sim::Rank>, Bytes> matrices_;         // [source x destination]
  std::map<std::pair<sim::Rank, sim::Rank>, double> pairs_;  // by destination, source
};

}  // namespace moesim::hardware
