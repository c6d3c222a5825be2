// How an exchange between devices is played: the two fidelities of sim::ExchangeModel.
//
//   Bound  closed form. A rank is done when all it exchanges bytes with have arrived, and its own
//          ports, and every link that its bytes share with others', have carried what this
//          exchange puts on them, plus the longest path's latency. Exchanges do not see each other.
//   Fluid  every transfer is a flow at its max-min fair rate over all links and all that is in
//          flight (sim/flow_network.h); its last byte arrives a path's latency after it was sent.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/network/topology.h"
#include "sim/engine.h"
#include "sim/exchange.h"

namespace moesim::hardware {

enum class Fidelity { Bound, Fluid };
inline constexpr std::array<std::string_view, 2> kFidelityNames{"bound", "fluid"};

inline constexpr double kDefaultTolerance = 0.01;

// What a link carried.
struct LinkUse {
  LinkId link = 0;
  std::string name;  // "gpu0->node0.switch"
  LinkKind kind = LinkKind::ScaleUp;
  sim::Bytes bytes;      // on the wire
  sim::Duration busy{};  // at full capacity: bytes / capacity
  sim::Bandwidth capacity;
};

// Where the time of the simulation itself goes.
struct NetworkCounters {
  std::uint64_t flows = 0, rate_computations = 0, flows_touched = 0;
  // Of the busiest port's time, the most that a port without slack idled because rates were
  // computed late: within the tolerance (sim/port_network.h). Zero where flows are played over any
  // links.
  double wasted = 0;
};

class NetworkModel : public sim::ExchangeModel {
 public:
  // Of each link that carried anything, in the topology's order.
  virtual std::vector<LinkUse> link_use() const = 0;
  virtual NetworkCounters counters() const = 0;
};

class ClusterNetwork;

// The network and the engine outlive the model; a network is borrowed by one model after another.
// `tolerance` is of Fluid only; zero: exact. `exchanges`: all that will be played, where that is
// known. Flows of large groups that only ports limit then go by matrices (sim/port_network.h), if
// there is a tolerance to spend; all others over links (sim/flow_network.h).
std::unique_ptr<NetworkModel> make_network_model(ClusterNetwork& network, Fidelity fidelity,
                                                 sim::Engine& engine,
                                                 double tolerance = kDefaultTolerance,
                                                 std::span<const sim::Exchange> exchanges = {});

// Whether they would go by matrices.
bool by_matrices(ClusterNetwork& network, std::span<const sim::Exchange> exchanges,
                 double tolerance);

// The least time that the links need for an exchange whose ranks all arrive at once: startup,
// the busiest link or rank limit, the shortest latency that the transfers over it have, and
// completion. No play of the exchange alone is faster.
sim::Duration lower_bound(ClusterNetwork& network, const sim::Exchange& exchange);

}  // namespace moesim::hardware
