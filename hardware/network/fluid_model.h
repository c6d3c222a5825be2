// Exchanges played as flows over any links (network_model.h, Fluid).
#pragma once

#include <cstdint>
#include <vector>

#include "hardware/network/flow_model.h"
#include "sim/flow_network.h"

namespace moesim::hardware {

class FluidModel final : public FlowModel, private sim::FlowListener {
 public:
  FluidModel(ClusterNetwork& network, sim::Engine& engine, double tolerance);
  NetworkCounters counters() const override;

 private:
  struct Transfer {
    std::uint32_t source, destination;  // places
    sim::Bytes bytes;
    sim::Duration latency{};  // of its path, since it has started
  };
  // Of one exchange in play.
  struct Flows {
    sim::FlowNetwork::Group group = 0;
    std::vector<Transfer> transfers;
    // Transfers of each member, as source or destination; made only if not all arrive at once.
    std::vector<std::uint32_t> first_of, transfers_of;
    // Links of its own: of each member if the exchange limits ranks, of each flow if it does those.
    std::vector<sim::FlowNetwork::Link> send_limits, receive_limits;
    sim::FlowNetwork::Link near_limit = 0, far_limit = 0;
  };

  void opened(Slot slot) override;
  void released(Slot slot, std::span<const std::uint32_t> places) override;
  void closed(Slot slot) override;
  void add_limits(const sim::Exchange& exchange, Flows& flows);
  void index_transfers(Slot slot);
  void start_transfer(Slot slot, std::uint32_t transfer);
  sim::FlowNetwork::Link flow_link(LinkId link);
  void flow_finishes(std::uint64_t tag, sim::Time at) override;
  void flow_withdrawn(std::uint64_t tag) override;

  PathTable& paths_;
  sim::FlowNetwork network_flows_;
  std::vector<sim::FlowNetwork::Link> flow_links_;  // of each link of a path that there was
  std::vector<Flows> flows_;                        // by slot
};

}  // namespace moesim::hardware
