// The loops over rows of a matrix of flows that PortFlows spends its time in. Each is element by
// element, or over kLanes lanes of elements in their order, so that whatever width of vector
// registers it runs with gives the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace moesim::sim {

// A level or a rate that nothing limits, and what is left of a flow that is not in flight.
inline constexpr float kUnlimited = 1e30f;

// Rows are padded to whole words of bits, and the arrays that they are played against with them.
inline constexpr std::size_t kWord = 32, kLanes = 16;
constexpr std::size_t padded(std::size_t n) {
  return (n + kWord - 1) / kWord * kWord;
}

// Where the bit is set: `level` less is left, and one flow less.
void fix_flows(const std::uint32_t* bits, std::size_t words, float level, float* left,
               float* flows);

// Levels at which ports would fill up, left / flows; unlimited where no flow is. Returns the
// lowest.
float levels_now(const float* left, const float* flows, std::size_t n, float* levels);
float lowest_of(const float* levels, std::size_t n);
// Bits of those that are no higher than `most`.
void find_within(const float* levels, std::size_t n, float most, std::uint32_t* bits);

// Bytes left after flows had the lower of `most` and their other end's each.
void serve_flows(float* left, std::size_t n, float most, const float* each);

// When flows end, bytes left x the higher of `slow` and their other end's: the first of each lane,
// which lowers those of all rows.
void first_ends(const float* left, std::size_t n, float slow, const float* each, float* first,
                float* of_all);
// Bits of the lanes, of each row, in which one ends within `seconds`.
void find_lanes_within(const float* first, std::size_t rows, float seconds, std::uint32_t* lanes);
// Bits of a row's flows that end within `seconds`, as of first_ends.
void find_ends_within(const float* left, std::size_t n, float slow, const float* each,
                      float seconds, std::uint32_t* bits);

}  // namespace moesim::sim
