#include "sim/port_loops.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "sim/any_width.h"

namespace moesim::sim {

namespace {

constexpr std::array<std::uint32_t, kWord> kBits = [] {
  std::array<std::uint32_t, kWord> bits{};
  for (std::size_t i = 0; i < kWord; ++i) bits[i] = std::uint32_t{1} << i;
  return bits;
}();

// Side by side: of a loop over an array of them the compiler makes one number after another.
using Lanes __attribute__((vector_size(kLanes * sizeof(float)))) = float;

}  // namespace

MOESIM_ANY_WIDTH
void fix_flows(const std::uint32_t* bits, std::size_t words, float level, float* left,
               float* flows) {
  for (std::size_t w = 0; w < words; ++w, left += kWord, flows += kWord) {
    const std::uint32_t word = bits[w];
    for (std::size_t i = 0; i < kWord; ++i) {
      const bool set = (word & kBits[i]) != 0;
      left[i] -= set ? level : 0.0f;
      flows[i] -= set ? 1.0f : 0.0f;
    }
  }
}

MOESIM_ANY_WIDTH
void levels_now(const float* left, const float* flows, std::size_t n, float* levels,
                float* lowest) {
  const Lanes none = Lanes{} + kUnlimited, one = Lanes{} + 1.0f;
  Lanes least = none, bytes, all;
  for (std::size_t i = 0; i < n; i += kLanes) {
    std::memcpy(&bytes, left + i, sizeof bytes);
    std::memcpy(&all, flows + i, sizeof all);
    const Lanes level = all > 0.5f ? bytes / (all > 0.5f ? all : one) : none;
    least = level < least ? level : least;
    std::memcpy(levels + i, &level, sizeof level);
  }
  std::memcpy(lowest, &least, sizeof least);
}

MOESIM_ANY_WIDTH
void serve_flows(float* left, std::size_t n, float most, const float* each) {
  for (std::size_t i = 0; i < n; ++i) left[i] -= each[i] < most ? each[i] : most;
}

MOESIM_ANY_WIDTH
void first_ends(const float* left, std::size_t n, float slow, const float* each, float* first,
                float* of_all) {
  const Lanes least = Lanes{} + slow;
  Lanes lowest = Lanes{} + kUnlimited, bytes, other;
  for (std::size_t i = 0; i < n; i += kLanes) {
    std::memcpy(&bytes, left + i, sizeof bytes);
    std::memcpy(&other, each + i, sizeof other);
    const Lanes end = bytes * (other > least ? other : least);
    lowest = end < lowest ? end : lowest;
  }
  std::memcpy(first, &lowest, sizeof lowest);
  std::memcpy(&other, of_all, sizeof other);
  lowest = lowest < other ? lowest : other;
  std::memcpy(of_all, &lowest, sizeof lowest);
}

// In halves, so that no comparison waits for more than three others.
float lowest_of(const float* lanes) {
  std::array<float, kLanes> lowest;
  std::copy(lanes, lanes + kLanes, lowest.begin());
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) lowest[j] = std::min(lowest[j], lowest[j + half]);
  }
  return lowest[0];
}

}  // namespace moesim::sim
