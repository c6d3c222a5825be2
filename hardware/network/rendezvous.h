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
  // The member is there from now on: appends those, by place, who wait for nobody any more.
  void arrive(std::uint32_t place, std::vector<std::uint32_t>& ready);

 private:
  static constexpr std::uint32_t kNobody = ~0u;
  bool are_peers(std::size_t a, std::size_t b) const;
  std::uint32_t next_missing(std::uint32_t place, std::uint32_t from) const;

  std::size_t members_ = 0;
  bool everyone_ = false;  // waits for all
  std::vector<std::uint8_t> arrived_;
  // Of each member: somebody it waits for, before whom all its peers have arrived; kNobody: it is
  // not there itself, or waits no more.
  std::vector<std::uint32_t> waits_for_;
  // Who sends to whom [source x destination].
  const std::uint32_t* messages_ = nullptr;
  std::vector<bool> transfers_;  // empty: none
};

}  // namespace moesim::hardware
