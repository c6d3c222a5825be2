// Exchanges played as flows (network_model.h, Fluid).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "hardware/network/cluster_network.h"
#include "hardware/network/network_model.h"
#include "hardware/network/participants.h"
#include "hardware/network/traffic.h"
#include "sim/flow_network.h"

namespace moesim::hardware {

class FluidModel final : public NetworkModel, private sim::FlowListener {
 public:
  FluidModel(ClusterNetwork& network, sim::Engine& engine, double tolerance);

  void arrive(sim::ExchangeId id, const sim::Exchange& exchange, sim::Rank rank,
              sim::ExchangeListener& listener) override;
  std::vector<LinkUse> link_use() const override;
  NetworkCounters counters() const override;

 private:
  struct Transfer {
    std::uint32_t source, destination;  // places
    sim::Bytes bytes;
  };
  // One exchange in play.
  struct Play {
    sim::ExchangeId id = 0;
    const sim::Exchange* exchange = nullptr;
    std::vector<Transfer> transfers;
    sim::ExchangeListener* listener = nullptr;
    sim::FlowNetwork::Group group = 0;
    Participants participants;
    struct Member {
      std::uint32_t open = 0;  // transfers that it sends or receives and that have not finished
      bool arrived = false;
      bool released = false;  // its startup is over
      sim::Time last{};       // of its transfers that have finished, or will
      sim::Engine::EventId done_event{};
    };
    std::vector<Member> members;
    std::size_t arrived = 0, done = 0;
    // Those that arrived at one instant are released together.
    std::vector<std::uint32_t> arriving;
    sim::Time arriving_at{};
    // Transfers of each member, as source or destination; made only if not all arrive at once.
    std::vector<std::uint32_t> first_of, transfers_of;
    // Links of its own: of each member if the exchange limits ranks, of each flow if it does those.
    std::vector<sim::FlowNetwork::Link> send_limits, receive_limits;
    sim::FlowNetwork::Link near_limit = 0, far_limit = 0;
    sim::Duration longest_latency{};
  };

  Play& play_of(sim::ExchangeId id, const sim::Exchange& exchange, sim::ExchangeListener& listener);
  void add_limits(Play& play);
  sim::FlowNetwork::Link flow_link(LinkId link);
  void index_transfers(Play& play);
  void release(std::uint32_t slot, const std::vector<std::uint32_t>& members);
  void start_transfer(std::uint32_t slot, std::uint32_t transfer);
  void finish_one(std::uint32_t slot, std::uint32_t place, sim::Time at);
  void reopen_one(Play& play, std::uint32_t place);
  void schedule_done(std::uint32_t slot, std::uint32_t place);
  void member_done(std::uint32_t slot, std::uint32_t place);
  void end(std::uint32_t slot);
  void flow_finishes(std::uint64_t tag, sim::Time at) override;
  void flow_withdrawn(std::uint64_t tag) override;

  sim::Engine& engine_;
  PathTable& paths_;
  sim::FlowNetwork flows_;
  std::vector<sim::FlowNetwork::Link> flow_links_;  // of each link of a path that there was
  Traffic traffic_;
  std::vector<std::unique_ptr<Play>> plays_;
  std::vector<std::uint32_t> free_plays_;
  std::map<sim::ExchangeId, std::uint32_t> slots_;
};

}  // namespace moesim::hardware
