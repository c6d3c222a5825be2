#include "hardware/kernels/memory_time.h"

#include <cmath>

namespace moesim::hardware {

double sustained_bandwidth(const Rates& rates, double fraction) {
  return 1 /
         (1 / (rates.bandwidth * fraction) + 1 / (rates.multiprocessors * kMultiprocessorTraffic));
}

double memory_us(double bytes, double bandwidth, double ramp_us, double ramp_scale_us) {
  const double steady = bytes / bandwidth;
  return steady + ramp_us * (1 - std::exp(-steady / ramp_scale_us));
}

}  // namespace moesim::hardware
