#include "workloads/routing/laws/subset_lines.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "workloads/routing/counter_random.h"
#include "workloads/routing/laws/subset_sampler.h"

namespace moesim::workloads {

SubsetLines subset_lines(std::span<const double> weights, std::uint32_t top_k, std::uint64_t key) {
  const std::size_t experts = weights.size();
  const auto inclusion = inclusion_probabilities(weights, top_k);
  SubsetLines lines;
  lines.unit = static_cast<std::uint32_t>(0xFFFFFFFFu / top_k);
  // Few experts have few orders that differ in who meets whom, but they are cheap to keep.
  lines.orders = std::bit_ceil(std::clamp<std::size_t>(4096 / experts, 16, 256));

  // Lengths in whole numbers that sum to the total: rounded down, and what is missing (less than
  // one a place) goes to the first that have room.
  lines.length.resize(experts);
  std::uint32_t missing = lines.unit * top_k;
  for (std::size_t e = 0; e < experts; ++e) {
    lines.length[e] = std::min(lines.unit, static_cast<std::uint32_t>(inclusion[e] * lines.unit));
    missing -= std::min(missing, lines.length[e]);
  }
  for (std::size_t e = 0; missing > 0; e = (e + 1) % experts) {
    if (lines.length[e] == 0 || lines.length[e] == lines.unit) continue;
    ++lines.length[e];
    --missing;
  }

  std::vector<ExpertId> order(experts);
  std::iota(order.begin(), order.end(), ExpertId{0});
  lines.names.reserve(lines.orders * experts);
  std::uint64_t counter = 0;
  for (std::size_t o = 0; o < lines.orders; ++o) {
    for (std::size_t e = experts; e > 1; --e) {  // Fisher and Yates
      const auto bits = static_cast<std::uint32_t>(counter_bits(key, counter++) >> 32);
      std::swap(order[e - 1], order[scaled(bits, static_cast<std::uint32_t>(e))]);
    }
    lines.names.insert(lines.names.end(), order.begin(), order.end());
  }
  return lines;
}

}  // namespace moesim::workloads
