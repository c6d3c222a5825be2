#include "hardware/network/play.h"

#include <algorithm>

#include "hardware/network/cluster_network.h"
#include "hardware/network/participants.h"
#include "sim/engine.h"

namespace moesim::hardware {

namespace {

class Listener final : public sim::ExchangeListener {
 public:
  Listener(sim::Engine& engine, const sim::Exchange& exchange, PlayedExchange& played)
      : engine_(engine), played_(played) {
    participants_.assign(exchange);
    played_.done.resize(exchange.participants.size());
  }
  void rank_done(sim::ExchangeId, sim::Rank rank) override {
    const sim::Duration time = engine_.now() - sim::Time{};
    played_.done[participants_.place(rank)] = time;
    played_.completion = std::max(played_.completion, time);
  }

 private:
  sim::Engine& engine_;
  PlayedExchange& played_;
  Participants participants_;
};

}  // namespace

PlayedExchange play_exchange(ClusterNetwork& network, const sim::Exchange& exchange,
                             Fidelity fidelity, double tolerance) {
  PlayedExchange played;
  sim::Engine engine;
  const auto model = make_network_model(network, fidelity, engine, tolerance);
  Listener listener(engine, exchange, played);
  for (const sim::Rank rank : exchange.participants) model->arrive(0, exchange, rank, listener);
  engine.run();
  played.lower_bound = lower_bound(network, exchange);
  played.events = engine.events();
  played.counters = model->counters();
  played.links = model->link_use();
  std::stable_sort(played.links.begin(), played.links.end(),
                   [](const LinkUse& a, const LinkUse& b) { return a.busy > b.busy; });
  return played;
}

PlayedExchange play_exchange(const Cluster& cluster, const sim::Exchange& exchange,
                             Fidelity fidelity, double tolerance) {
  ClusterNetwork network(cluster.topology);
  return play_exchange(network, exchange, fidelity, tolerance);
}

}  // namespace moesim::hardware
