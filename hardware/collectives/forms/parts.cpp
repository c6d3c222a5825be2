#include "hardware/collectives/forms/parts.h"

#include <algorithm>
#include <cmath>

namespace moesim::hardware {

double Parts::busy_us() const {
  const double most = std::max({near_us, far_us, sm_us});
  if (!(most > 0) || power == kLongest) return most;
  return most * std::pow(std::pow(near_us / most, power) + std::pow(far_us / most, power) +
                             std::pow(sm_us / most, power),
                         1 / power);
}

}  // namespace moesim::hardware
