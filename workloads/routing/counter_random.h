// Random bits by address instead of by order: the draw of (key, counter) is the same whoever asks
// first, so that any token of any step can be routed alone.
#pragma once

#include <cstdint>

#include "sim/random.h"

namespace moesim::workloads {

constexpr std::uint64_t counter_bits(std::uint64_t key, std::uint64_t counter) {
  return sim::mix(key + counter * 0x9e3779b97f4a7c15);
}

// Bits scaled to 0 … n - 1; the bias is below n / 2^32. REQUIRES: n > 0
constexpr std::uint32_t scaled(std::uint32_t bits, std::uint32_t n) {
  return static_cast<std::uint32_t>((std::uint64_t{bits} * n) >> 32);
}

}  // namespace moesim::workloads
