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

double sustained_rate(const Rates& rates, double fraction, double slowdown, double intensity) {
  constexpr double kIntensityOfFullPower = 1000;  // FLOP a byte, where clocks begin to fall
  const double peak = rates.peak / rates.multiprocessors;
  const double beside = (1 / fraction - 1) / rates.reference;
  const double power =
      peak / rates.reference * slowdown * intensity / (intensity + kIntensityOfFullPower);
  return 1 / ((1 / peak + beside) * (1 + power));
}

}  // namespace moesim::hardware
