#include "hardware/network/network_model.h"

#include <algorithm>

#include "hardware/network/bound_model.h"
#include "hardware/network/cluster_network.h"
#include "hardware/network/fluid_model.h"
#include "hardware/network/matrix_model.h"

namespace moesim::hardware {

namespace {
// With few flows at a port hardly any end together, and a window has one: links are as quick.
constexpr std::size_t kLargeGroup = 32;
}  // namespace

std::unique_ptr<NetworkModel> make_network_model(ClusterNetwork& network, Fidelity fidelity,
                                                 sim::Engine& engine, double tolerance,
                                                 std::span<const sim::Exchange> exchanges) {
  if (fidelity == Fidelity::Bound) return std::make_unique<BoundModel>(network, engine);
  if (by_matrices(network, exchanges, tolerance))
    return std::make_unique<MatrixModel>(network, engine, tolerance);
  return std::make_unique<FluidModel>(network, engine, tolerance);
}

bool by_matrices(ClusterNetwork& network, std::span<const sim::Exchange> exchanges,
                 double tolerance) {
  const auto large = [](const sim::Exchange& exchange) {
    return exchange.participants.size() >= kLargeGroup;
  };
  return tolerance > 0 && std::any_of(exchanges.begin(), exchanges.end(), large) &&
         MatrixModel::fits(network, exchanges);
}

sim::Duration lower_bound(ClusterNetwork& network, const sim::Exchange& exchange) {
  Participants participants;
  participants.assign(exchange);
  network.bound_times().of(exchange, participants);
  return network.bound_times().whole();
}

}  // namespace moesim::hardware
