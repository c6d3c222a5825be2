// Bisection over whole numbers.
#pragma once

#include <cstdint>

namespace moesim::workloads {

// The largest value in [0, most] for which `fits` holds, given that it holds up to some value.
template <class Fits>
std::int64_t largest_that_fits(std::int64_t most, const Fits& fits) {
  std::int64_t good = 0, bad = most + 1;
  while (bad - good > 1) {
    const std::int64_t middle = good + (bad - good) / 2;
    (fits(middle) ? good : bad) = middle;
  }
  return good;
}

}  // namespace moesim::workloads
