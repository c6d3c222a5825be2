// How uneven the loads of a layer's experts are beyond what spread.h says, and how far two of them
// lie apart.
#pragma once

#include <cstdint>
#include <span>

namespace moesim::workloads {

// Gini coefficient: sum over i of (2 i - n - 1) x_i / (n sum x), x ascending, i from 1. 0: all
// equal.
double gini(std::span<const std::uint64_t> loads);

// Experts with less than a tenth of the mean, the dead ones among them.
std::uint32_t starved_experts(std::span<const std::uint64_t> loads);

// Jensen-Shannon distance of the shares, base 2: 0 equal, 1 disjoint; 0 where one has no load.
double js_distance(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b);

}  // namespace moesim::workloads
