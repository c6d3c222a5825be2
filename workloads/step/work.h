// Computation with its price: kernels one after another on one GPU, summed.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "hardware/kernels/kernels.h"
#include "sim/units.h"

namespace moesim::workloads {

// From the ends of a 90 % interval to the 10th and 90th percentile of an error that is normal in
// the logarithm: 1.2816 / 1.6449 standard deviations.
inline constexpr double kDecile = 1.2816 / 1.6449;

struct Work {
  sim::Duration time{};
  sim::Flops flops;
  sim::Bytes bytes;           // memory traffic
  std::int64_t launches = 0;  // of kernels
  // Of `time`, what was bound by what: launches, arithmetic, memory (hardware::Bound's order).
  std::array<sim::Duration, 3> by_bound{};
  // Sums of the kernels' 10th and 90th percentiles: errors of one cost model go together.
  double low_ps = 0, high_ps = 0;
  sim::Duration extrapolated{};  // of `time`, in kernels outside their model's range

  Work& operator+=(const hardware::KernelCost& kernel) {
    time += kernel.time;
    flops += kernel.flops;
    bytes += kernel.bytes;
    launches += kernel.launches;
    by_bound[static_cast<std::size_t>(kernel.bound)] += kernel.time;
    const auto picoseconds = static_cast<double>(kernel.time.count());
    low_ps += picoseconds * std::pow(kernel.low, kDecile);
    high_ps += picoseconds * std::pow(kernel.high, kDecile);
    if (kernel.extrapolated) extrapolated += kernel.time;
    return *this;
  }
  Work& operator+=(const Work& other) {
    time += other.time;
    flops += other.flops;
    bytes += other.bytes;
    launches += other.launches;
    for (std::size_t i = 0; i < by_bound.size(); ++i) by_bound[i] += other.by_bound[i];
    low_ps += other.low_ps;
    high_ps += other.high_ps;
    extrapolated += other.extrapolated;
    return *this;
  }
};

}  // namespace moesim::workloads
