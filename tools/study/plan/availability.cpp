#include "tools/study/plan/availability.h"

#include <algorithm>
#include <cmath>

namespace moesim::tools {

Availability availability_of(std::int64_t engines, std::int64_t gpus, double capacity, double rate,
                             const Reliability& reliability) {
  const double down =
      std::min(1.0, static_cast<double>(gpus) * reliability.restart_h / reliability.gpu_hours);
  // What is a whole number but for rounding is one.
  const auto needed = static_cast<std::int64_t>(std::ceil(rate / capacity * (1 - 1e-12)));
  Availability found{.enough = 0};
  // P(lost) of the binomial distribution, one after another.
  double probability = std::pow(1 - down, static_cast<double>(engines));
  for (std::int64_t lost = 0; lost <= engines; ++lost) {
    const std::int64_t up = engines - lost;
    if (up >= needed) found.enough += probability;
    found.carried += probability * std::min(rate, static_cast<double>(up) * capacity);
    if (down >= 1) break;
    probability *= static_cast<double>(up) / static_cast<double>(lost + 1) * down / (1 - down);
  }
  found.enough = std::min(1.0, found.enough);
  return found;
}

}  // namespace moesim::tools
