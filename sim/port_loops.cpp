#include "sim/port_loops.h"

#include <algorithm>
#include <array>

#include "sim/any_width.h"

namespace moesim::sim {

namespace {

constexpr std::array<std::uint32_t, kWord> kBits = [] {
  std::array<std::uint32_t, kWord> bits{};
  for (std::size_t i = 0; i < kWord; ++i) bits[i] = std::uint32_t{1} << i;
  return bits;
}();

// In halves, so that no comparison waits for more than three others.
inline float lowest_lane(const float* lanes) {
  std::array<float, kLanes> lowest;
  std::copy(lanes, lanes + kLanes, lowest.begin());
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) lowest[j] = std::min(lowest[j], lowest[j + half]);
  }
  return lowest[0];
}

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
float levels_now(const float* left, const float* flows, std::size_t n, float* __restrict levels) {
  std::array<float, kLanes> lowest;
  lowest.fill(kUnlimited);
  for (std::size_t i = 0; i < n; i += kLanes) {
    MOESIM_SIDE_BY_SIDE
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float all = flows[i + j];
      const float some = all > 0.5f ? all : 1.0f;
      const float level = left[i + j] / some;
      const float now = all > 0.5f ? level : kUnlimited;
      levels[i + j] = now;
      lowest[j] = now < lowest[j] ? now : lowest[j];
    }
  }
  return lowest_lane(lowest.data());
}

MOESIM_ANY_WIDTH
float lowest_of(const float* levels, std::size_t n) {
  std::array<float, kLanes> lowest;
  lowest.fill(kUnlimited);
  for (std::size_t i = 0; i < n; i += kLanes) {
    MOESIM_SIDE_BY_SIDE
    for (std::size_t j = 0; j < kLanes; ++j) {
      lowest[j] = levels[i + j] < lowest[j] ? levels[i + j] : lowest[j];
    }
  }
  return lowest_lane(lowest.data());
}

MOESIM_ANY_WIDTH
void find_within(const float* levels, std::size_t n, float most, std::uint32_t* bits) {
  for (std::size_t i = 0; i < n; i += kWord) {
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < kWord; ++j) word |= levels[i + j] <= most ? kBits[j] : 0;
    *bits++ = word;
  }
}

MOESIM_ANY_WIDTH
void serve_flows(float* left, std::size_t n, float most, const float* each) {
  for (std::size_t i = 0; i < n; ++i) left[i] -= each[i] < most ? each[i] : most;
}

MOESIM_ANY_WIDTH
void first_ends(const float* left, std::size_t n, float slow, const float* each,
                float* __restrict first, float* __restrict of_all) {
  std::fill(first, first + kLanes, kUnlimited);
  for (std::size_t i = 0; i < n; i += kLanes) {
    MOESIM_SIDE_BY_SIDE
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float end = left[i + j] * (each[i + j] > slow ? each[i + j] : slow);
      first[j] = end < first[j] ? end : first[j];
    }
  }
  MOESIM_SIDE_BY_SIDE
  for (std::size_t j = 0; j < kLanes; ++j) of_all[j] = first[j] < of_all[j] ? first[j] : of_all[j];
}

MOESIM_ANY_WIDTH
void find_lanes_within(const float* first, std::size_t rows, float seconds, std::uint32_t* lanes) {
  for (std::size_t row = 0; row < rows; ++row, first += kLanes) {
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < kLanes; ++j) bits |= first[j] <= seconds ? kBits[j] : 0;
    lanes[row] = bits;
  }
}

MOESIM_ANY_WIDTH
void find_ends_within(const float* left, std::size_t n, float slow, const float* each,
                      float seconds, std::uint32_t* bits) {
  for (std::size_t i = 0; i < n; i += kWord) {
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < kWord; ++j) {
      const float end = left[i + j] * (each[i + j] > slow ? each[i + j] : slow);
      word |= end <= seconds ? kBits[j] : 0;
    }
    *bits++ = word;
  }
}

}  // namespace moesim::sim
