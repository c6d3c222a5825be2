// The lines that experts are laid on to draw from them (subset_sampler.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "workloads/routing/routing.h"

namespace moesim::workloads {

struct SubsetLines {
  std::uint32_t unit = 0;             // the length that stands for probability 1
  std::size_t orders = 0;             // a power of two
  std::vector<std::uint32_t> length;  // of each expert; they sum to top_k x unit < 2^32
  std::vector<ExpertId> names;        // [orders x experts]: who stands at each place of a line
};

// `key` names the random orders. REQUIRES: as inclusion_probabilities
SubsetLines subset_lines(std::span<const double> weights, std::uint32_t top_k, std::uint64_t key);

}  // namespace moesim::workloads
