// Draws top_k different experts so that each expert's share of the draws is exactly what was asked
// for: systematic sampling (Madow 1949). The experts' inclusion probabilities are laid one after
// another on a line of length top_k; a random start u in [0, 1) picks the experts at u, u + 1, …
// No probability is above 1, so no expert is picked twice.
//
// The order on the line decides which experts go together, so a draw first chooses one of a pool
// of random orders: pairs are then close to independent (README: how close).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "workloads/routing/routing.h"

namespace moesim::workloads {

// The probability that an expert is among the top_k of a token, in proportion to `weights` but at
// most 1: what an expert cannot take, the others share in proportion. Sums to top_k.
// REQUIRES: 0 < top_k <= weights.size(), weights >= 0 and finite, at least top_k of them > 0
std::vector<double> inclusion_probabilities(std::span<const double> weights, std::uint32_t top_k);

class SubsetSampler {
 public:
  // `key` names the random orders. REQUIRES: as above
  SubsetSampler(std::span<const double> weights, std::uint32_t top_k, std::uint64_t key);

  // Writes top_k different experts. Uses all 64 bits.
  void draw(std::uint64_t bits, ExpertId* out) const {
    const std::size_t order = static_cast<std::size_t>(bits >> 32) & (orders_ - 1);
    const Place* places = places_.data() + order * experts_;
    const std::uint32_t* guide = guide_.data() + order * guides_;
    std::uint32_t x = static_cast<std::uint32_t>(((bits & 0xFFFFFFFF) * unit_) >> 32);
    for (std::uint32_t k = 0; k < top_k_; ++k, x += unit_) {
      const Place* place = places + guide[x >> shift_];
      // Most often it is this place or the next, which no branch can tell ahead.
      place += place->end <= x;
      while (place->end <= x) ++place;
      out[k] = place->name;
    }
  }

  std::uint32_t experts() const { return static_cast<std::uint32_t>(experts_); }
  std::uint32_t top_k() const { return top_k_; }

 private:
  std::size_t experts_;
  std::uint32_t top_k_;
  std::size_t orders_;   // a power of two
  std::uint32_t unit_;   // the length that stands for probability 1: top_k x unit < 2^32
  std::uint32_t shift_;  // a guide's cell is 2^shift long
  std::size_t guides_;
  struct Place {
    std::uint32_t end = 0;  // cumulated, ascending
    ExpertId name = 0;
  };
  std::vector<Place> places_;         // [orders x experts]
  std::vector<std::uint32_t> guide_;  // [orders x guides] the first place that may hold the cell
};

}  // namespace moesim::workloads
