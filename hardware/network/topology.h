// The links of a machine as a graph: devices, NICs and switches, and one link for each direction
// between two of them. Plain values; how a cluster's file becomes one is in builders.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/exchange.h"
#include "sim/units.h"

namespace moesim::hardware {

enum class VertexKind : std::uint8_t { Device, Nic, Switch };

// What a link belongs to, as reports name it.
enum class LinkKind : std::uint8_t {
  ScaleUp,  // device and the switch of its node: NVLink, or the PCIe of a node without
  Host,     // device and NIC
  Nic,      // NIC and the first switch of the network (or the other NIC, back to back)
  Fabric,   // between switches
  Torus,    // between devices
};
std::string_view name_of(LinkKind kind);

using VertexId = std::uint32_t;
using LinkId = std::uint32_t;

struct Vertex {
  std::string name;  // "gpu12" (its rank), "node1.nic4", "node1.switch", "leaf0.3", "spine2"
  VertexKind kind = VertexKind::Switch;
  std::uint32_t level = 0;  // for drawing: 0 devices, 1 NICs and scale-up switches, 2 leaves, …
};

struct Link {
  VertexId from = 0, to = 0;
  sim::Bandwidth capacity;  // zero: down
  sim::Duration latency{};
  LinkKind kind = LinkKind::ScaleUp;
};

struct Topology {
  std::vector<Vertex> vertices;
  std::vector<Link> links;
  std::vector<VertexId> devices;    // of each rank
  std::vector<std::uint32_t> node;  // of each rank: ranks of one node are near each other
  std::vector<std::uint32_t> rail;  // of each rank: its place among the devices of its node
  // Devices that a fault took away, by their numbers in the file, ascending. They have no rank.
  std::vector<sim::Rank> absent = {};
  bool devices_forward = false;  // devices pass on what is not for them (a torus)
  // Devices under switches in levels, each link from one level to a higher one or back, as the
  // builders make them (ascents.h).
  bool layered = false;
  // Cross-rail traffic goes over the scale-up network to the device of the destination's rail
  // first (NCCL calls it PXN).
  bool rail_forwarding = false;
  // A link is down by a fault: who is cut off from another node goes over another device of a node.
  bool reroutes = false;

  sim::Rank ranks() const { return static_cast<sim::Rank>(devices.size()); }
  std::string link_name(LinkId link) const;  // "gpu0->node0.switch"
};

}  // namespace moesim::hardware
