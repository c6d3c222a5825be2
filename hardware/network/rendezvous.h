// Members of an exchange who wait for those that they exchange bytes with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hardware/network/participants.h"

namespace moesim::hardware {

class Rendezvous {
 public:
  // The exchange outlives this.
  void assign(const sim::Exchange& exchange, const Participants& participants);
  // The member is there from now on: appends those who wait for nobody any more, ascending.
  void arrive(std::uint32_t place, std::vector<std::uint32_t>& ready);

 private:
  static constexpr std::uint32_t kNobody = ~0u;
  void index_transfers(const sim::Exchange& exchange, const Participants& participants);
  bool exchange_messages(std::size_t a, std::size_t b) const {
    return everyone_ || (messages_[a * members_ + b] | messages_[b * members_ + a]) != 0;
  }
  std::uint32_t next_missing(std::uint32_t place);

  std::size_t members_ = 0;
  std::size_t missing_ = 0;             // have not arrived
  bool everyone_ = false;               // waits for all
  std::vector<unsigned char> arrived_;  // 1 or 0
  // A member that is there waits for the last of its peers that is not: a list for each of these.
  // Ranks mostly come in their order, so that the last is who is waited for in the end.
  std::vector<std::uint32_t> first_waiting_, next_waiting_;
  // Who sends messages to whom [source x destination]; null: none.
  const std::uint32_t* messages_ = nullptr;
  // Those at the other end of each member's transfers, and where each member's begin.
  std::vector<std::uint32_t> peers_;
  std::vector<std::size_t> first_peer_;
  // How far each member has looked, from the end: among members, and its transfers.
  std::vector<std::uint32_t> past_member_;
  std::vector<std::size_t> past_peer_;
};

}  // namespace moesim::hardware
