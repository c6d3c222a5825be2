// Sums over the rows and columns of a matrix of messages, by the way that they take (ports.h).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "hardware/network/ports.h"
#include "sim/exchange.h"

namespace moesim::hardware {

struct MatrixSums {
  // Messages of each place by way, [way x place]; what a rank keeps for itself is in none.
  std::vector<std::uint64_t> sent, received;
};

// One pass. REQUIRES: ports.known(), as many places as the matrix has rows
MatrixSums sums_of(const sim::Messages& messages, const Ports& ports);

// Remembers the last few: what was dispatched by a matrix is combined by the same one.
class RecentSums {
 public:
  // Valid until the next question
  const MatrixSums& of(const sim::Messages& messages, const Ports& ports);

 private:
  static constexpr std::size_t kMost = 4;
  struct One {
    std::weak_ptr<const std::vector<std::uint32_t>> counts;
    const Ports* ports = nullptr;
    bool back = false;
    MatrixSums sums;
  };
  std::vector<One> recent_;
  std::size_t next_ = 0;
};

}  // namespace moesim::hardware
