// Exchanges played as flows where nothing but ports of their own limits them (network_model.h,
// Fluid; sim/port_network.h): the pairs of a group as one sheet between nodes, and one in each.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "hardware/network/flow_model.h"
#include "sim/port_network.h"

namespace moesim::hardware {

class MatrixModel final : public FlowModel, private sim::PortListener {
 public:
  // Whether these can be played so: every rank leaves and is reached by ports that no other rank
  // has, nothing else limits, at most one transfer a pair, and not too few of them for a matrix.
  static bool fits(ClusterNetwork& network, std::span<const sim::Exchange> exchanges);

  // REQUIRES: all that will be played fits
  MatrixModel(ClusterNetwork& network, sim::Engine& engine, double tolerance);
  NetworkCounters counters() const override;

 private:
  // A part of the places of an exchange: those of a node, or all of them.
  struct Part {
    sim::PortNetwork::Sheet sheet = 0;
    std::uint32_t first = 0, last = 0;  // places
    bool near = false;
  };
  struct Pairs {
    const Ports* ports = nullptr;
    std::vector<double> bytes;  // of transfers [source x destination], on the wire; empty: messages
    std::vector<Part> parts;
  };
  struct Sides {
    std::vector<double> sent, received;  // of each place, on the wire
  };

  void opened(Slot slot) override;
  void released(Slot slot, std::span<const std::uint32_t> places) override;
  void closed(Slot slot) override;
  void add_part(Slot slot, std::size_t kind, std::size_t first, std::size_t last, double busiest,
                const Sides& sides);
  sim::PortNetwork::Port port_of(LinkId leave, LinkId reach);
  void bytes_between(std::uint64_t tag, std::uint32_t place, std::span<const std::uint32_t> others,
                     std::span<Both> bytes) override;
  void flows_finish(std::uint64_t tag, std::span<const Finishing> flows) override;
  void flow_withdrawn(std::uint64_t tag, std::uint32_t source, std::uint32_t destination) override;

  sim::PortNetwork port_network_;
  std::unordered_map<LinkId, sim::PortNetwork::Port> known_ports_;  // by the link that leaves
  std::vector<Pairs> pairs_;                                        // by slot
  std::vector<std::uint32_t> releasing_;
};

}  // namespace moesim::hardware
