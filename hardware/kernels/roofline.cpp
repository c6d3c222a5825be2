#include "hardware/kernels/roofline.h"

#include <algorithm>

namespace moesim::hardware {

double roofline_us(const Work& work, const Rates& rates, double launches) {
  const double compute = work.flops > 0 ? work.flops / (rates.peak * kRooflineCompute) : 0;
  const double memory = work.bytes / (rates.bandwidth * kRooflineMemory);
  return launches * rates.launch + std::max(compute, memory);
}

double least_us_of(const Work& work, const Rates& rates) {
  const double compute = work.flops > 0 ? work.flops / rates.peak : 0;
  return std::max(compute, work.bytes / rates.bandwidth);
}

}  // namespace moesim::hardware
