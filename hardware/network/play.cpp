#include "hardware/network/play.h"

#include <algorithm>

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

PlayedExchange play_exchange(const Cluster& cluster, const sim::Exchange& exchange,
                             Fidelity fidelity, double tolerance) {
  PlayedExchange played;
  sim::Engine engine;
  const auto network = make_network_model(cluster, fidelity, engine, tolerance);
  Listener listener(engine, exchange, played);
  for (const sim::Rank rank : exchange.participants) network->arrive(0, exchange, rank, listener);
  engine.run();
  played.lower_bound = lower_bound(cluster, exchange);
  played.events = engine.events();
  played.counters = network->counters();
  played.links = network->link_use();
  std::erase_if(played.links, [](const LinkUse& use) { return use.bytes == sim::Bytes{}; });
  std::stable_sort(played.links.begin(), played.links.end(),
                   [](const LinkUse& a, const LinkUse& b) { return a.busy > b.busy; });
  return played;
}

}  // namespace moesim::hardware
