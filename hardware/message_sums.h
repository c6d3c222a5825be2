// Sums over the rows and columns of a matrix of counts, in the narrowest type that holds them all:
// half as wide, twice as many at once.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

namespace moesim::hardware {

// Returns visit(std::uint32_t{}) where no sum of `most` of the counts can be more than that holds,
// else visit(std::uint64_t{}).
template <class Visit>
auto with_sums(std::span<const std::uint32_t> counts, std::uint64_t most, Visit visit) {
  std::uint32_t bits = 0;  // no count is above the bits of all
  for (const std::uint32_t count : counts) bits |= count;
  if (bits == 0 || most <= std::numeric_limits<std::uint32_t>::max() / bits)
    return visit(std::uint32_t{});
  return visit(std::uint64_t{});
}

}  // namespace moesim::hardware
