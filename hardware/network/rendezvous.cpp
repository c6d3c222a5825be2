#include "hardware/network/rendezvous.h"

#include <algorithm>
#include <numeric>

#include "sim/check.h"

namespace moesim::hardware {

void Rendezvous::assign(const sim::Exchange& exchange, const Participants& participants) {
  members_ = participants.size();
  missing_ = members_;
  everyone_ = exchange.barrier;
  arrived_.assign(members_, 0);
  first_waiting_.assign(members_, kNobody);
  next_waiting_.assign(members_, kNobody);
  messages_ = exchange.messages.counts ? exchange.messages.counts->data() : nullptr;
  past_member_.assign(members_, static_cast<std::uint32_t>(members_));
  index_transfers(exchange, participants);
}

void Rendezvous::index_transfers(const sim::Exchange& exchange, const Participants& participants) {
  const auto each = [&](const auto& visit) {
    for (const sim::Transfer& t : exchange.transfers) {
      const std::uint32_t a = participants.place(t.source), b = participants.place(t.destination);
      visit(a, b);
      visit(b, a);
    }
  };
  first_peer_.assign(members_ + 1, 0);
  each([&](std::uint32_t member, std::uint32_t) { ++first_peer_[member + 1]; });
  std::partial_sum(first_peer_.begin(), first_peer_.end(), first_peer_.begin());
  peers_.resize(first_peer_.back());
  past_peer_.assign(first_peer_.begin(), first_peer_.end() - 1);
  each([&](std::uint32_t member, std::uint32_t peer) { peers_[past_peer_[member]++] = peer; });
}

// One whom the member has to wait for. Those that it has passed by are there.
std::uint32_t Rendezvous::next_missing(std::uint32_t place) {
  if (missing_ == 0) return kNobody;
  if (messages_ != nullptr || everyone_) {
    for (std::uint32_t& past = past_member_[place]; past > 0; --past) {
      if (arrived_[past - 1] == 0 && exchange_messages(place, past - 1)) return past - 1;
    }
    if (everyone_) return kNobody;
  }
  for (std::size_t& past = past_peer_[place]; past > first_peer_[place]; --past) {
    if (arrived_[peers_[past - 1]] == 0) return peers_[past - 1];
  }
  return kNobody;
}

void Rendezvous::arrive(std::uint32_t place, std::vector<std::uint32_t>& ready) {
  SIM_CHECK(arrived_[place] == 0, "a rank arrived twice");
  arrived_[place] = 1;
  --missing_;
  const auto old = static_cast<std::ptrdiff_t>(ready.size());
  const auto wait = [&](std::uint32_t member) {
    const std::uint32_t missing = next_missing(member);
    if (missing == kNobody) {
      ready.push_back(member);
      return;
    }
    next_waiting_[member] = first_waiting_[missing];
    first_waiting_[missing] = member;
  };
  wait(place);
  for (std::uint32_t member = first_waiting_[place]; member != kNobody;) {
    const std::uint32_t next = next_waiting_[member];
    wait(member);
    member = next;
  }
  std::sort(ready.begin() + old, ready.end());
}

}  // namespace moesim::hardware
