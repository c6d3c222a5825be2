// The loops over rows of a matrix of flows that PortFlows spends its time in. Each is element by
// element, or over kLanes lanes of elements in their order, so that whatever width of vector
// registers it runs with gives the same bytes: that of the function that it is part of
// (sim/any_width.h).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sim/any_width.h"

namespace moesim::sim {

// A level or a rate that nothing limits, and what is left of a flow that is not in flight.
inline constexpr float kUnlimited = 1e30f;

// Rows are padded to whole lanes, and the arrays that they are played against with them. Bits of a
// row are in words, of which the last may be half.
inline constexpr std::size_t kWord = 32, kLanes = 16;
constexpr std::size_t padded(std::size_t n) {
  return (n + kLanes - 1) / kLanes * kLanes;
}
constexpr std::size_t words_of(std::size_t n) {
  return (n + kWord - 1) / kWord;
}

inline constexpr std::array<std::uint32_t, kWord> kBits = [] {
  std::array<std::uint32_t, kWord> bits{};
  for (std::size_t i = 0; i < kWord; ++i) bits[i] = std::uint32_t{1} << i;
  return bits;
}();

// In halves, so that no comparison waits for more than three others.
template <std::size_t kCount = kLanes>
MOESIM_PART_OF_ANY_WIDTH float lowest_lane(const float* lanes) {
  if constexpr (kCount == 1) {
    return lanes[0];
  } else {
    std::array<float, kCount / 2> lower;
    for (std::size_t j = 0; j < kCount / 2; ++j) {
      const float one = lanes[j], other = lanes[j + kCount / 2];
      lower[j] = other < one ? other : one;
    }
    return lowest_lane<kCount / 2>(lower.data());
  }
}

// Calls loop(first element, its lanes) for each word of a row of n, a multiple of kLanes.
template <class Loop>
MOESIM_PART_OF_ANY_WIDTH void for_each_word(std::size_t n, Loop loop) {
  std::size_t i = 0;
  for (; i + kWord <= n; i += kWord) loop(i, std::integral_constant<std::size_t, kWord>());
  if (i < n) loop(i, std::integral_constant<std::size_t, kLanes>());
}

// All is left of the capacities, no flow is fixed, no port has a level.
MOESIM_PART_OF_ANY_WIDTH void begin_filling(const float* capacity, const std::uint32_t* in_flight,
                                            std::size_t n, float* __restrict left,
                                            float* __restrict flows, float* __restrict level) {
  for (std::size_t i = 0; i < n; i += kLanes) {
    MOESIM_SIDE_BY_SIDE
    for (std::size_t j = i; j < i + kLanes; ++j) {
      left[j] = capacity[j];
      flows[j] = static_cast<float>(static_cast<std::int32_t>(in_flight[j]));
      level[j] = kUnlimited;
    }
  }
}

// Where the bit is set: `level` less is left, and one flow less.
MOESIM_PART_OF_ANY_WIDTH void fix_flows(const std::uint32_t* bits, std::size_t n, float level,
                                        float* __restrict left, float* __restrict flows) {
  // Nothing is subtracted as a number, since a choice would become a branch around the store.
  const auto level_bits = std::bit_cast<std::uint32_t>(level);
  const auto one_bits = std::bit_cast<std::uint32_t>(1.0f);
  for_each_word(n, [=](std::size_t first, auto lanes) {
    const std::uint32_t word = bits[first / kWord];
    for (std::size_t i = 0; i < lanes; ++i) {
      const std::uint32_t all = (word & kBits[i]) != 0 ? ~0u : 0u;
      left[first + i] -= std::bit_cast<float>(level_bits & all);
      flows[first + i] -= std::bit_cast<float>(one_bits & all);
    }
  });
}

// Levels at which ports would fill up, left / flows; unlimited where no flow is. Returns the
// lowest.
MOESIM_PART_OF_ANY_WIDTH float levels_now(const float* left, const float* flows, std::size_t n,
                                          float* __restrict levels) {
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

MOESIM_PART_OF_ANY_WIDTH float lowest_of(const float* levels, std::size_t n) {
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

// Bits of those that are no higher than `most`.
MOESIM_PART_OF_ANY_WIDTH void find_within(const float* levels, std::size_t n, float most,
                                          std::uint32_t* __restrict bits) {
  for_each_word(n, [=](std::size_t first, auto lanes) {
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < lanes; ++j) word |= levels[first + j] <= most ? kBits[j] : 0;
    bits[first / kWord] = word;
  });
}

// Bytes left after flows had the lower of `most` and their other end's each.
MOESIM_PART_OF_ANY_WIDTH void serve_flows(float* __restrict left, std::size_t n, float most,
                                          const float* each) {
  for (std::size_t i = 0; i < n; i += kLanes) {
    MOESIM_SIDE_BY_SIDE
    for (std::size_t j = 0; j < kLanes; ++j) {
      left[i + j] -= each[i + j] < most ? each[i + j] : most;
    }
  }
}

// When flows end, bytes left x the higher of `slow` and their other end's: the first of each lane,
// which lowers those of all rows.
MOESIM_PART_OF_ANY_WIDTH void first_ends(const float* left, std::size_t n, float slow,
                                         const float* each, float* __restrict first,
                                         float* __restrict of_all) {
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

// Bits of the lanes in which one ends within `seconds`.
MOESIM_PART_OF_ANY_WIDTH std::uint32_t lanes_within(const float* first, float seconds) {
  std::uint32_t bits = 0;
  for (std::size_t j = 0; j < kLanes; ++j) bits |= first[j] <= seconds ? kBits[j] : 0;
  return bits;
}

// Bits of a row's flows that end within `seconds`, as of first_ends.
MOESIM_PART_OF_ANY_WIDTH void find_ends_within(const float* left, std::size_t n, float slow,
                                               const float* each, float seconds,
                                               std::uint32_t* __restrict bits) {
  for_each_word(n, [=](std::size_t first, auto lanes) {
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < lanes; ++j) {
      const float other = each[first + j];
      const float end = left[first + j] * (other > slow ? other : slow);
      word |= end <= seconds ? kBits[j] : 0;
    }
    bits[first / kWord] = word;
  });
}

}  // namespace moesim::sim
