// Exchanges in closed form (network_model.h, Bound).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "hardware/network/cluster_network.h"
#include "hardware/network/network_model.h"
#include "hardware/network/participants.h"
#include "hardware/network/rendezvous.h"
#include "hardware/network/traffic.h"

namespace moesim::hardware {

class BoundModel final : public NetworkModel {
 public:
  BoundModel(ClusterNetwork& network, sim::Engine& engine);

  void arrive(sim::ExchangeId id, const sim::Exchange& exchange, sim::Rank rank,
              sim::ExchangeListener& listener) override;
  std::vector<LinkUse> link_use() const override;
  NetworkCounters counters() const override { return {}; }

 private:
  struct Play {
    sim::ExchangeListener* listener = nullptr;
    Participants participants;
    std::vector<sim::Duration> times;
    Rendezvous rendezvous;
    std::size_t done = 0;
  };
  Play& play_of(sim::ExchangeId id, const sim::Exchange& exchange, sim::ExchangeListener& listener);
  void start(sim::ExchangeId id, const Play& play, std::size_t place);

  ClusterNetwork& network_;
  sim::Engine& engine_;
  Traffic traffic_;
  std::map<sim::ExchangeId, Play> plays_;
  std::vector<std::uint32_t> ready_;  // at this arrival; empty between
};

}  // namespace moesim::hardware
