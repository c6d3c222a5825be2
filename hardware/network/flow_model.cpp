#include "hardware/network/flow_model.h"

#include <algorithm>
#include <memory>

#include "sim/check.h"

namespace moesim::hardware {

using sim::Duration;
using sim::Time;

FlowModel::Slot FlowModel::slot_of(sim::ExchangeId id, const sim::Exchange& exchange,
                                   sim::ExchangeListener& listener) {
  const auto found = slots_.find(id);
  if (found != slots_.end()) return found->second;
  if (free_plays_.empty()) {
    free_plays_.push_back(static_cast<Slot>(plays_.size()));
    plays_.push_back(std::make_unique<Play>());
  }
  const Slot slot = free_plays_.back();
  free_plays_.pop_back();
  slots_.emplace(id, slot);
  Play& play = *plays_[slot];
  play.id = id;
  play.exchange = &exchange;
  play.listener = &listener;
  play.participants.assign(exchange);
  play.members.assign(exchange.participants.size(), {});
  play.arrived = play.done = 0;
  play.arriving.clear();
  play.longest_latency = {};
  opened(slot);
  traffic_.add(exchange);
  return slot;
}

void FlowModel::arrive(sim::ExchangeId id, const sim::Exchange& exchange, sim::Rank rank,
                       sim::ExchangeListener& listener) {
  const Slot slot = slot_of(id, exchange, listener);
  Play& play = *plays_[slot];
  const std::uint32_t place = play.participants.place(rank);
  SIM_CHECK(!play.members[place].arrived, "a rank arrived twice");
  play.members[place].arrived = true;
  ++play.arrived;
  if (exchange.barrier) {
    play.arriving.push_back(place);
    if (play.arrived < play.members.size()) return;
    engine_.after(exchange.startup, [this, slot] {
      const auto all = std::move(plays_[slot]->arriving);
      release(slot, all);
    });
    return;
  }
  if (play.arriving.empty() || play.arriving_at != engine_.now()) {
    // The event takes what has arrived by the end of this instant.
    play.arriving_at = engine_.now();
    engine_.after(Duration{}, [this, slot] {
      auto places = std::move(plays_[slot]->arriving);
      plays_[slot]->arriving.clear();
      const Duration startup = plays_[slot]->exchange->startup;
      if (startup == Duration{}) {
        release(slot, places);
      } else {
        engine_.after(startup, [this, slot, held = std::move(places)] { release(slot, held); });
      }
    });
  }
  play.arriving.push_back(place);
}

void FlowModel::release(Slot slot, const std::vector<std::uint32_t>& places) {
  Play& play = *plays_[slot];
  for (const auto place : places) {
    play.members[place].last.fill(engine_.now());
    play.members[place].released = true;
  }
  released(slot, places);
  for (const auto place : places) {
    // Those that exchange nothing are done when their startup is over.
    const auto& member = play.members[place];
    if (member.open == 0 && member.done_event.key == 0) schedule_done(slot, place);
  }
}

void FlowModel::reopen_one(Play& play, std::uint32_t place, std::size_t together) {
  auto& member = play.members[place];
  ++member.open;
  engine_.cancel(member.done_event);
  member.done_event = {};
  // What of them is still announced was sent by now, and arrives within a path's latency.
  Time& last = member.last[together];
  last = std::min(last, engine_.now() + play.longest_latency);
}

void FlowModel::schedule_done(Slot slot, std::uint32_t place) {
  auto& member = plays_[slot]->members[place];
  const Time last = std::max(member.last[0], member.last[1]);
  member.done_event = engine_.at(last + plays_[slot]->exchange->completion,
                                 [this, slot, place] { member_done(slot, place); });
}

void FlowModel::member_done(Slot slot, std::uint32_t place) {
  Play& play = *plays_[slot];
  const auto id = play.id;
  const auto rank = play.participants.rank(place);
  sim::ExchangeListener& listener = *play.listener;
  if (++play.done == play.members.size()) {
    closed(slot);
    slots_.erase(play.id);
    free_plays_.push_back(slot);
  }
  listener.rank_done(id, rank);
}

}  // namespace moesim::hardware
