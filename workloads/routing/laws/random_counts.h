// How often each of some outcomes happens in many trials, without the trials one by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "workloads/routing/counter_random.h"

namespace moesim::workloads {

// Random numbers one after another, of a key of their own.
class CounterStream {
 public:
  explicit CounterStream(std::uint64_t key) : key_(key) {}

  std::uint64_t bits() { return counter_bits(key_, counter_++); }
  // Uniform in (0, 1): 52 random bits and a half.
  double uniform() { return (static_cast<double>(bits() >> 12) + 0.5) * 0x1p-52; }

 private:
  std::uint64_t key_, counter_ = 0;
};

// Successes of `trials` independent ones with probability `p` each. Its distribution is exact, to
// rounding: by inversion where few are expected, else by transformed rejection (Hörmann 1993,
// algorithm BTRS). REQUIRES: 0 <= p <= 1
std::uint32_t binomial(std::uint32_t trials, double p, CounterStream& random);

// Counts of outcomes whose probabilities are in proportion to weights: exact in the same sense, a
// binomial draw an outcome; where there are few trials an outcome by an alias table (Walker 1977,
// Vose 1991), a trial at a time.
class Multinomial {
 public:
  // REQUIRES: weights >= 0 and finite, at least one > 0. Quickest with the largest first.
  explicit Multinomial(std::span<const double> weights);

  std::size_t outcomes() const { return share_.size(); }
  // `counts`: [outcomes], overwritten; they sum to `trials`.
  void draw(std::uint32_t trials, CounterStream& random, std::span<std::uint32_t> counts) const;

 private:
  struct Cell {
    std::uint32_t below = 0;  // of 2^32: below it is the outcome itself, else `other`
    std::uint32_t other = 0;
  };
  void make_cells(std::span<const double> weights, double sum);

  std::vector<double> share_;  // of each outcome among itself and those after it
  std::vector<Cell> cells_;    // the alias table, where there are many outcomes
};

}  // namespace moesim::workloads
