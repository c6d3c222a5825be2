#include "hardware/network/rendezvous.h"

#include "sim/check.h"

namespace moesim::hardware {

void Rendezvous::assign(const sim::Exchange& exchange, const Participants& participants) {
  members_ = participants.size();
  everyone_ = exchange.barrier;
  arrived_.assign(members_, 0);
  waits_for_.assign(members_, kNobody);
  messages_ = exchange.messages.counts ? exchange.messages.counts->data() : nullptr;
  transfers_.assign(exchange.transfers.empty() ? 0 : members_ * members_, false);
  for (const sim::Transfer& t : exchange.transfers) {
    transfers_[participants.place(t.source) * members_ + participants.place(t.destination)] = true;
  }
}

bool Rendezvous::are_peers(std::size_t a, std::size_t b) const {
  const std::size_t there = a * members_ + b, back = b * members_ + a;
  return everyone_ || (messages_ != nullptr && (messages_[there] | messages_[back]) != 0) ||
         (!transfers_.empty() && (transfers_[there] || transfers_[back]));
}

std::uint32_t Rendezvous::next_missing(std::uint32_t place, std::uint32_t from) const {
  for (std::uint32_t other = from; other < members_; ++other) {
    if (arrived_[other] == 0 && are_peers(place, other)) return other;
  }
  return kNobody;
}

void Rendezvous::arrive(std::uint32_t place, std::vector<std::uint32_t>& ready) {
  SIM_CHECK(arrived_[place] == 0, "a rank arrived twice");
  arrived_[place] = 1;
  waits_for_[place] = place;  // as if for itself, which is over
  for (std::uint32_t member = 0; member < members_; ++member) {
    if (waits_for_[member] != place) continue;
    waits_for_[member] = next_missing(member, member == place ? 0 : place + 1);
    if (waits_for_[member] == kNobody) ready.push_back(member);
  }
}

}  // namespace moesim::hardware
