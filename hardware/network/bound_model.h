// Exchanges in closed form (network_model.h, Bound).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "hardware/network/network_model.h"
#include "hardware/network/participants.h"
#include "hardware/network/path_table.h"
#include "hardware/network/traffic.h"

namespace moesim::hardware {

// How long each member of an exchange is busy, from the instant that all it exchanges bytes with
// are there.
//
//   sends:    startup + max over its port, the shared links and its limits of bytes / capacity
//   receives: the same + the least latency of the transfers over that link
//
// and completion. A link that only one rank's bytes enter (leave) by is that rank's port; what lies
// between the first and the last link of a path is shared.
class BoundTimes {
 public:
  explicit BoundTimes(PathTable& paths);
  // In the order of the participants.
  const std::vector<sim::Duration>& of(const sim::Exchange& exchange,
                                       const Participants& participants);
  // Of the exchange that was asked for last: when its last rank can be done at the earliest. What a
  // rank sends last has still to arrive, so this may be a path's latency after the last rank above.
  sim::Duration whole() const { return whole_; }

 private:
  struct Load {
    double bytes = 0;
    std::int64_t least_latency = 0;  // ps
  };
  PathTable& paths_;
  std::vector<Load> loads_;  // of each link; bytes are zero between calls
  std::vector<LinkId> loaded_;
  std::vector<sim::Duration> times_;
  sim::Duration whole_{};
};

class BoundModel final : public NetworkModel {
 public:
  BoundModel(std::shared_ptr<const Topology> topology, sim::Engine& engine);

  void arrive(sim::ExchangeId id, const sim::Exchange& exchange, sim::Rank rank,
              sim::ExchangeListener& listener) override;
  std::vector<LinkUse> link_use() const override;
  NetworkCounters counters() const override { return {}; }

 private:
  struct Play {
    sim::ExchangeListener* listener = nullptr;
    Participants participants;
    std::vector<sim::Duration> times;
    // Bits, a row of words for each member: whom it exchanges bytes with. Empty: everyone.
    std::vector<std::uint64_t> peers;
    std::vector<std::uint64_t> arrived;  // bits
    std::vector<std::uint64_t> started;  // bits: all its peers have arrived
    std::size_t arrivals = 0, done = 0;
  };
  Play& play_of(sim::ExchangeId id, const sim::Exchange& exchange, sim::ExchangeListener& listener);
  void start(sim::ExchangeId id, Play& play, std::size_t place);

  sim::Engine& engine_;
  mutable PathTable paths_;
  Traffic traffic_;
  BoundTimes times_;
  std::map<sim::ExchangeId, Play> plays_;
};

}  // namespace moesim::hardware
