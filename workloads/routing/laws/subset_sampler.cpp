#include "workloads/routing/laws/subset_sampler.h"

#include <bit>

#include "sim/check.h"
#include "workloads/routing/laws/subset_lines.h"

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
  const SubsetLines lines = subset_lines(weights, top_k, key);
  unit_ = lines.unit;
  orders_ = lines.orders;
  const std::uint32_t total = unit_ * top_k;
  shift_ = 32 - static_cast<std::uint32_t>(std::bit_width(experts_));
  guides_ = (std::size_t{total - 1} >> shift_) + 1;

  places_.resize(orders_ * experts_);
  guide_.resize(orders_ * guides_);
  for (std::size_t o = 0; o < orders_; ++o) {
    const ExpertId* order = lines.names.data() + o * experts_;
    std::uint32_t end = 0;
    std::size_t cell = 0;
    for (std::size_t place = 0; place < experts_; ++place) {
      end += lines.length[order[place]];
      places_[o * experts_ + place] = {end, order[place]};
      for (; cell < guides_ && (std::uint64_t{cell} << shift_) < end; ++cell) {
        guide_[o * guides_ + cell] = static_cast<std::uint32_t>(place);
      }
    }
    SIM_CHECK(end == total && cell == guides_, "the lengths fill the line");
  }
}

}  // namespace moesim::workloads
