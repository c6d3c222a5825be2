// An exchange model for tests: every rank is done a fixed time after the last participant arrived.
#pragma once

#include <map>
#include <vector>

#include "sim/engine.h"
#include "sim/exchange.h"

namespace moesim::tests {

class FixedExchanges final : public sim::ExchangeModel {
 public:
  FixedExchanges(sim::Engine& engine, sim::Duration time) : engine_(engine), time_(time) {}

  void arrive(sim::ExchangeId id, const sim::Exchange& exchange, sim::Rank rank,
              sim::ExchangeListener& listener) override {
    std::vector<sim::Rank>& arrived = arrived_[id];
    arrived.push_back(rank);
    if (arrived.size() < exchange.participants.size()) return;
    for (const sim::Rank participant : exchange.participants) {
      engine_.after(time_, [id, participant, &listener] { listener.rank_done(id, participant); });
    }
  }

 private:
  sim::Engine& engine_;
  sim::Duration time_;
  std::map<sim::ExchangeId, std::vector<sim::Rank>> arrived_;
};

}  // namespace moesim::tests
