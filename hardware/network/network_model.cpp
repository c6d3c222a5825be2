#include "hardware/network/network_model.h"

#include "hardware/network/bound_model.h"
#include "hardware/network/cluster_network.h"
#include "hardware/network/fluid_model.h"

namespace moesim::hardware {

std::unique_ptr<NetworkModel> make_network_model(ClusterNetwork& network, Fidelity fidelity,
                                                 sim::Engine& engine, double tolerance) {
  if (fidelity == Fidelity::Bound) return std::make_unique<BoundModel>(network, engine);
  return std::make_unique<FluidModel>(network, engine, tolerance);
}

sim::Duration lower_bound(ClusterNetwork& network, const sim::Exchange& exchange) {
  Participants participants;
  participants.assign(exchange);
  network.bound_times().of(exchange, participants);
  return network.bound_times().whole();
}

}  // namespace moesim::hardware
