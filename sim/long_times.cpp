#include "sim/long_times.h"

#include "sim/error.h"

namespace moesim::sim {

void throw_too_long() {
  throw InfeasibleError(
      "something takes more than 106 days, the most that is simulated: a rate or a size of the "
      "cluster, the device or the question is far from any machine's");
}

Duration long_sum(Duration a, Duration b) {
  if (a >= kForever - b) throw_too_long();
  return a + b;
}

Duration long_product(Duration a, std::int64_t times) {
  if (times > 0 && a.count() >= kForever.count() / times) throw_too_long();
  return a * times;
}

}  // namespace moesim::sim
