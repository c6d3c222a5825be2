#include "hardware/network/network_model.h"

#include "hardware/network/bound_model.h"
#include "hardware/network/fluid_model.h"

namespace moesim::hardware {

std::unique_ptr<NetworkModel> make_network_model(const Cluster& cluster, Fidelity fidelity,
                                                 sim::Engine& engine, double tolerance) {
  if (fidelity == Fidelity::Bound) {
    return std::make_unique<BoundModel>(cluster.topology, engine);
  }
  return std::make_unique<FluidModel>(cluster.topology, engine, tolerance);
}

sim::Duration lower_bound(const Cluster& cluster, const sim::Exchange& exchange) {
  PathTable paths(cluster.topology);
  BoundTimes times(paths);
  Participants participants;
  participants.assign(exchange);
  times.of(exchange, participants);
  return times.whole();
}

}  // namespace moesim::hardware
