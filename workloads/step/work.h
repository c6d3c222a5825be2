// Computation with its price: kernels one after another on one GPU, summed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hardware/collectives/priced_exchange.h"
#include "hardware/kernels/kernels.h"
#include "sim/units.h"

namespace moesim::workloads {

// A part of the time, by who priced it.
struct PricedTime {
  const hardware::ModelUse* use = nullptr;  // of the Kernels, which outlive it
  std::uint32_t outside = 0;                // hardware::Trust's bits
  sim::Duration time{};

  bool extrapolated() const {
    return hardware::Trust{.use = use, .outside = outside}.extrapolated();
  }
};

struct Work {
  sim::Duration time{};
  sim::Flops flops;
  sim::Bytes bytes;           // memory traffic
  std::int64_t launches = 0;  // of kernels
  // Of `time`, what was bound by what: launches, arithmetic, memory (hardware::Bound's order).
  std::array<sim::Duration, 3> by_bound{};
  // Sums of the kernels' percentiles, the 10th and 90th, and the ends of their 90 % intervals:
  // errors of one cost model go together.
  double p10_ps = 0, p90_ps = 0, low_ps = 0, high_ps = 0;
  // Adds up to `time`: one entry for each model and reason to doubt it, in the order they came.
  std::vector<PricedTime> priced = {};

  // Of `time`, in kernels outside what was measured.
  sim::Duration extrapolated() const;

  Work& operator+=(const hardware::KernelCost& kernel);
  Work& operator+=(const Work& other);
  // As many times one after another, to the last bit.
  void add(const Work& other, std::int64_t times);
  // In less time, or as it is.
  void shrink_to(sim::Duration least);
  // An exchange that is alone on an idle network, at each of so many ranks: its time and trust.
  void add(const hardware::PricedExchange& exchange, std::size_t ranks);

 private:
  void add(const hardware::Trust& trust, sim::Duration amount);
  void add(const PricedTime& part);
};

}  // namespace moesim::workloads
