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

Losses losses_of(std::int64_t engines, std::int64_t gpus, double capacity, const LostCapacity& lost,
                 double rate, const Reliability& reliability) {
  const double all = static_cast<double>(engines * gpus), own = static_cast<double>(gpus);
  const double down = std::min(1.0, reliability.restart_h / reliability.gpu_hours);
  // Of the time that a GPU is lost, the part in which its engine goes on without it.
  const double goes_on =
      1 - std::min(1.0, reliability.recovery_h / std::max(reliability.restart_h, 1e-12));
  const auto whole = [&](std::int64_t without) {
    return capacity * static_cast<double>(engines - without);
  };
  Losses found;
  const auto add = [&](std::size_t gone, double probability, double carried) {
    found.probability[gone] += probability;
    found.capacity[gone] += probability * carried;
    found.goodput += probability * carried;
    if (carried >= rate * (1 - 1e-12)) found.available += probability;
  };
  const auto binomial = [&](double ways, int gone) {
    return ways * std::pow(down, gone) * std::pow(1 - down, all - gone);
  };
  add(0, binomial(1, 0), whole(0));
  const double one = binomial(all, 1);
  add(1, one * goes_on, whole(1) + lost.one);
  add(1, one * (1 - goes_on), whole(1));
  // Both of one engine, or of two.
  const double same = engines == 1 ? 1 : (own - 1) / (all - 1);
  const double two = all < 2 ? 0 : binomial(all * (all - 1) / 2, 2);
  const double both = goes_on * goes_on, either = 2 * goes_on * (1 - goes_on);
  add(2, two * same * both, whole(1) + lost.two);
  add(2, two * same * (1 - both), whole(1));
  if (engines > 1) {
    add(2, two * (1 - same) * both, whole(2) + 2 * lost.one);
    add(2, two * (1 - same) * either, whole(2) + lost.one);
    add(2, two * (1 - same) * (1 - both - either), whole(2));
  }
  for (std::size_t gone = 0; gone < 3; ++gone) {
    // What never comes to pass has no mean: with so many engines down.
    const auto down_engines = std::min(static_cast<std::int64_t>(gone), engines);
    if (found.probability[gone] > 0) {
      found.capacity[gone] /= found.probability[gone];
    } else {
      found.capacity[gone] = whole(down_engines);
    }
  }
  return found;
}

}  // namespace moesim::tools
