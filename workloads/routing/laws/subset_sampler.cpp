#include "workloads/routing/laws/subset_sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "sim/check.h"
#include "workloads/routing/counter_random.h"

namespace moesim::workloads {

std::vector<double> inclusion_probabilities(std::span<const double> weights, std::uint32_t top_k) {
  SIM_CHECK(top_k > 0 && top_k <= weights.size(), "a token chooses 1 … experts of the experts");
  std::vector<double> result(weights.size());
  std::vector<bool> full(weights.size());
  // Fill up proportionally; who would get more than 1 gets 1, and the rest is divided anew. Each
  // round fills at least one, so there are at most top_k rounds.
  double left = top_k;
  for (bool again = true; again;) {
    again = false;
    double sum = 0;
    for (std::size_t e = 0; e < weights.size(); ++e) sum += full[e] ? 0 : weights[e];
    const double scale = sum > 0 ? left / sum : 0;
    for (std::size_t e = 0; e < weights.size(); ++e) {
      if (full[e]) continue;
      result[e] = weights[e] * scale;
    }
    for (std::size_t e = 0; e < weights.size(); ++e) {
      if (full[e] || result[e] < 1) continue;
      result[e] = 1;
      full[e] = true;
      left -= 1;
      again = left > 0;
    }
  }
  return result;
}

SubsetSampler::SubsetSampler(std::span<const double> weights, std::uint32_t top_k,
                             std::uint64_t key)
    : experts_(weights.size()), top_k_(top_k) {
  const auto inclusion = inclusion_probabilities(weights, top_k);
  unit_ = static_cast<std::uint32_t>(0xFFFFFFFFu / top_k);
  const std::uint32_t total = unit_ * top_k;
  // Few experts have few orders that differ in who meets whom, but they are cheap to keep.
  orders_ = std::bit_ceil(std::clamp<std::size_t>(4096 / experts_, 16, 256));
  shift_ = 32 - static_cast<std::uint32_t>(std::bit_width(experts_));
  guides_ = (std::size_t{total - 1} >> shift_) + 1;

  // Lengths in whole numbers that sum to the total: rounded down, and what is missing (less than
  // one a place) goes to the first that have room.
  std::vector<std::uint32_t> length(experts_);
  std::uint32_t missing = total;
  for (std::size_t e = 0; e < experts_; ++e) {
    length[e] = std::min(unit_, static_cast<std::uint32_t>(inclusion[e] * unit_));
    missing -= std::min(missing, length[e]);
  }
  for (std::size_t e = 0; missing > 0; e = (e + 1) % experts_) {
    if (length[e] == 0 || length[e] == unit_) continue;
    ++length[e];
    --missing;
  }

  places_.resize(orders_ * experts_);
  guide_.resize(orders_ * guides_);
  std::vector<ExpertId> order(experts_);
  std::iota(order.begin(), order.end(), ExpertId{0});
  std::uint64_t counter = 0;
  for (std::size_t o = 0; o < orders_; ++o) {
    for (std::size_t e = experts_; e > 1; --e) {  // Fisher and Yates
      const auto bits = static_cast<std::uint32_t>(counter_bits(key, counter++) >> 32);
      std::swap(order[e - 1], order[scaled(bits, static_cast<std::uint32_t>(e))]);
    }
    std::uint32_t end = 0;
    std::size_t cell = 0;
    for (std::size_t place = 0; place < experts_; ++place) {
      end += length[order[place]];
      places_[o * experts_ + place] = {end, order[place]};
      for (; cell < guides_ && (std::uint64_t{cell} << shift_) < end; ++cell) {
        guide_[o * guides_ + cell] = static_cast<std::uint32_t>(place);
      }
    }
    SIM_CHECK(end == total && cell == guides_, "the lengths fill the line");
  }
}

}  // namespace moesim::workloads
