#include "hardware/network/bound_model.h"

namespace moesim::hardware {

BoundModel::BoundModel(ClusterNetwork& network, sim::Engine& engine)
    : network_(network), engine_(engine), traffic_(network) {}

BoundModel::Play& BoundModel::play_of(sim::ExchangeId id, const sim::Exchange& exchange,
                                      sim::ExchangeListener& listener) {
  const auto [found, is_new] = plays_.try_emplace(id);
  Play& play = found->second;
  if (!is_new) return play;
  play.listener = &listener;
  play.participants.assign(exchange);
  play.times = network_.bound_times().of(exchange, play.participants);
  play.rendezvous.assign(exchange, play.participants);
  traffic_.add(exchange);
  return play;
}

void BoundModel::start(sim::ExchangeId id, const Play& play, std::size_t place) {
  const sim::Rank rank = play.participants.rank(place);
  engine_.after(play.times[place], [this, id, rank] {
    const auto found = plays_.find(id);
    sim::ExchangeListener& told = *found->second.listener;
    if (++found->second.done == found->second.participants.size()) plays_.erase(found);
    told.rank_done(id, rank);
  });
}

void BoundModel::arrive(sim::ExchangeId id, const sim::Exchange& exchange, sim::Rank rank,
                        sim::ExchangeListener& listener) {
  Play& play = play_of(id, exchange, listener);
  play.rendezvous.arrive(play.participants.place(rank), ready_);
  for (const std::uint32_t place : ready_) start(id, play, place);
  ready_.clear();
}

std::vector<LinkUse> BoundModel::link_use() const {
  return traffic_.link_use();
}

}  // namespace moesim::hardware
