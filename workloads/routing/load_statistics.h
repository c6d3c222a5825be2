// How uneven the loads of a layer's experts are, and how far two of them lie apart.
#pragma once

#include <cstdint>
#include <span>

namespace moesim::workloads {

// The busiest expert's load over the mean; 0 where there is no load. REQUIRES: not empty
double max_over_mean(std::span<const std::uint64_t> loads);

// Shannon entropy of the shares over log(experts): 1 where all are equal, 0 where one has all (and
// where there is one expert or no load).
double normalised_entropy(std::span<const std::uint64_t> loads);

// Gini coefficient: sum over i of (2 i - n - 1) x_i / (n sum x), x ascending, i from 1. 0: all
// equal.
double gini(std::span<const std::uint64_t> loads);

// Experts without any load.
std::uint32_t dead_experts(std::span<const std::uint64_t> loads);
// Experts with less than a tenth of the mean, the dead ones among them.
std::uint32_t starved_experts(std::span<const std::uint64_t> loads);

// Jensen-Shannon distance of the shares, base 2: 0 equal, 1 disjoint; 0 where one has no load.
double js_distance(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b);

}  // namespace moesim::workloads
