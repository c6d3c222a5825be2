// What both ways of playing exchanges as flows share: members that arrive, are released when their
// startup is over, and are done when all their transfers have finished.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "hardware/network/cluster_network.h"
#include "hardware/network/network_model.h"
#include "hardware/network/participants.h"
#include "hardware/network/traffic.h"

namespace moesim::hardware {

class FlowModel : public NetworkModel {
 public:
  void arrive(sim::ExchangeId id, const sim::Exchange& exchange, sim::Rank rank,
              sim::ExchangeListener& listener) final;
  std::vector<LinkUse> link_use() const final { return traffic_.link_use(); }

 protected:
  using Slot = std::uint32_t;  // of an exchange in play; goes to a later one when it has ended

  FlowModel(ClusterNetwork& network, sim::Engine& engine)
      : network_(network), engine_(engine), traffic_(network) {}

  struct Member {
    std::uint32_t open = 0;  // transfers that it sends or receives and that have not finished
    bool arrived = false;
    bool released = false;  // its startup is over
    // Of its transfers that have finished, or will: those that are announced together, apart.
    std::array<sim::Time, 2> last{};
    sim::Engine::EventId done_event{};
  };
  struct Play {
    sim::ExchangeId id = 0;
    const sim::Exchange* exchange = nullptr;
    sim::ExchangeListener* listener = nullptr;
    Participants participants;
    std::vector<Member> members;
    std::size_t arrived = 0, done = 0;
    // Those that arrived at one instant are released together.
    std::vector<std::uint32_t> arriving;
    sim::Time arriving_at{};
    sim::Duration longest_latency{};  // of its transfers that have started
  };

  // Counts what each member has open.
  virtual void opened(Slot slot) = 0;
  // The startup of these members is over: starts the transfers that waited for nobody but them.
  virtual void released(Slot slot, std::span<const std::uint32_t> places) = 0;
  // All members are done.
  virtual void closed(Slot slot) = 0;

  Play& play(Slot slot) { return *plays_[slot]; }
  // A transfer between those two will have left its source at `at`. `together`: 0 or 1; of those of
  // one kind all that have not ended by then are withdrawn when any is.
  void finish(Slot slot, Play& play, std::uint32_t source, std::uint32_t destination, sim::Time at,
              sim::Duration latency, std::size_t together = 0) {
    finish_one(slot, play, source, at, together);
    finish_one(slot, play, destination, at + latency, together);
  }
  // That no longer holds.
  void withdraw(Slot slot, std::uint32_t source, std::uint32_t destination,
                std::size_t together = 0) {
    reopen_one(play(slot), source, together);
    reopen_one(play(slot), destination, together);
  }

  ClusterNetwork& network_;
  sim::Engine& engine_;

 private:
  Slot slot_of(sim::ExchangeId id, const sim::Exchange& exchange, sim::ExchangeListener& listener);
  void release(Slot slot, const std::vector<std::uint32_t>& places);
  void finish_one(Slot slot, Play& play, std::uint32_t place, sim::Time at, std::size_t together) {
    Member& member = play.members[place];
    member.last[together] = std::max(member.last[together], at);
    if (--member.open == 0) schedule_done(slot, place);
  }
  void reopen_one(Play& play, std::uint32_t place, std::size_t together);
  void schedule_done(Slot slot, std::uint32_t place);
  void member_done(Slot slot, std::uint32_t place);

  Traffic traffic_;
  std::vector<std::unique_ptr<Play>> plays_;
  std::vector<Slot> free_plays_;
  std::map<sim::ExchangeId, Slot> slots_;
};

}  // namespace moesim::hardware
