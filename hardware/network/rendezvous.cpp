#include "hardware/network/rendezvous.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "sim/check.h"

namespace moesim::hardware {

void Rendezvous::assign(const sim::Exchange& exchange, const Participants& participants) {
  members_ = participants.size();
  everyone_ = exchange.barrier;
  arrived_.assign(members_, 0);
  first_waiting_.assign(members_, kNobody);
  next_waiting_.assign(members_, kNobody);
  messages_ = exchange.messages.counts ? exchange.messages.counts->data() : nullptr;
  next_member_.assign(members_, 0);
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
  next_peer_.assign(first_peer_.begin(), first_peer_.end() - 1);
  each([&](std::uint32_t member, std::uint32_t peer) { peers_[next_peer_[member]++] = peer; });
  next_peer_.assign(first_peer_.begin(), first_peer_.end() - 1);
}

// One whom the member has to wait for. Those that it has passed by are there.
std::uint32_t Rendezvous::next_missing(std::uint32_t place) {
  if (messages_ != nullptr || everyone_) {
    std::uint32_t& next = next_member_[place];
    const unsigned char* const begin = arrived_.data();
    for (; next < members_; ++next) {
      const void* const found = std::memchr(begin + next, 0, members_ - next);
      next = static_cast<std::uint32_t>(
          found == nullptr
              ? members_
              : static_cast<std::size_t>(static_cast<const unsigned char*>(found) - begin));
      if (next < members_ && exchange_messages(place, next)) return next;
    }
    if (everyone_) return kNobody;
  }
  for (std::size_t& next = next_peer_[place]; next < first_peer_[place + 1]; ++next) {
    if (arrived_[peers_[next]] == 0) return peers_[next];
  }
  return kNobody;
}

void Rendezvous::arrive(std::uint32_t place, std::vector<std::uint32_t>& ready) {
  SIM_CHECK(arrived_[place] == 0, "a rank arrived twice");
  arrived_[place] = 1;
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
