#include "hardware/network/rendezvous.h"

#include <algorithm>
#include <cstring>

#include "sim/check.h"

namespace moesim::hardware {

void Rendezvous::assign(const sim::Exchange& exchange, const Participants& participants) {
  members_ = participants.size();
  everyone_ = exchange.barrier;
  arrived_.assign(members_, 0);
  first_waiting_.assign(members_, kNobody);
  next_waiting_.assign(members_, kNobody);
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
  const unsigned char* const begin = arrived_.data();
  while (from < members_) {
    const void* const found = std::memchr(begin + from, 0, members_ - from);
    if (found == nullptr) break;
    const auto other = static_cast<std::uint32_t>(static_cast<const unsigned char*>(found) - begin);
    if (are_peers(place, other)) return other;
    from = other + 1;
  }
  return kNobody;
}

void Rendezvous::arrive(std::uint32_t place, std::vector<std::uint32_t>& ready) {
  SIM_CHECK(arrived_[place] == 0, "a rank arrived twice");
  arrived_[place] = 1;
  const auto old = static_cast<std::ptrdiff_t>(ready.size());
  const auto wait = [&](std::uint32_t member, std::uint32_t from) {
    const std::uint32_t missing = next_missing(member, from);
    if (missing == kNobody) {
      ready.push_back(member);
      return;
    }
    next_waiting_[member] = first_waiting_[missing];
    first_waiting_[missing] = member;
  };
  wait(place, 0);
  for (std::uint32_t member = first_waiting_[place]; member != kNobody;) {
    const std::uint32_t next = next_waiting_[member];
    wait(member, place + 1);  // its peers before this one are all there
    member = next;
  }
  std::sort(ready.begin() + old, ready.end());
}

}  // namespace moesim::hardware
