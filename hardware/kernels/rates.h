// A device in the numbers that cost models take: per microsecond, as doubles.
#pragma once

#include <compare>

#include "hardware/device.h"
#include "hardware/kernels/device_share.h"

namespace moesim::hardware {

struct Rates {
  double multiprocessors = 0;
  double peak = 0;       // FLOP a microsecond, dense, at the kernel's precision
  double reference = 0;  // the peak of one multiprocessor of H100 SXM: see sustained_rate()
  double bandwidth = 0;  // of the memory: bytes a microsecond
  double l2 = 0;         // bytes
  double launch = 0;     // microseconds: a kernel in a graph
  double link = 0;       // scale-up, each way: bytes a microsecond
  double network = 0;    // scale-out, each way: bytes a microsecond

  auto operator<=>(const Rates&) const = default;
};

// Of the part of it that a kernel has.
Rates rates_of(const Device& device, Precision precision, DeviceShare share = {});

}  // namespace moesim::hardware
