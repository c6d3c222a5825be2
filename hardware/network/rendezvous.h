// Members of an exchange who wait for those that they exchange bytes with.
#pragma once

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
  bool are_peers(std::size_t a, std::size_t b) const;
  std::uint32_t next_missing(std::uint32_t place, std::uint32_t from) const;

  std::size_t members_ = 0;
  bool everyone_ = false;               // waits for all
  std::vector<unsigned char> arrived_;  // 1 or 0
  // A member that is there waits for the first of its peers that is not: a list for each of these.
  std::vector<std::uint32_t> first_waiting_, next_waiting_;
  // Who sends to whom [source x destination].
  const std::uint32_t* messages_ = nullptr;
  std::vector<bool> transfers_;  // empty: none
};

}  // namespace moesim::hardware
