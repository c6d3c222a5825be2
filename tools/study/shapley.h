// A difference between two ends, shared out among the changes that lead from one to the other:
// exact, in whole numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace moesim::tools {

// Bit i: change i has been made.
using Changes = std::uint32_t;
using ValueOf = std::function<std::int64_t(Changes)>;

// Shapley's values: of each change, what it adds in the mean over all orders in which they can be
// made, over all 2^n sets (Shapley 1953). They sum to value(all) - value(none), exactly: rounded
// toward zero, what is left goes to the largest remainders, of equals to the first. So exchanging
// the ends changes every sign and nothing else. REQUIRES: changes <= kMostShapley
inline constexpr std::size_t kMostShapley = 6;
std::vector<std::int64_t> shapley_shares(std::size_t changes, const ValueOf& value);

// The mean of two orders, the first to the last and back: 2n sets. Sums and signs as above.
std::vector<std::int64_t> path_shares(std::size_t changes, const ValueOf& value);

// Numerators over a common denominator as whole numbers of the same sum. REQUIRES: the denominator
// is above zero and divides the sum
std::vector<std::int64_t> whole_shares(const std::vector<std::int64_t>& numerators,
                                       std::int64_t denominator);

}  // namespace moesim::tools
