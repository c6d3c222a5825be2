// The part of a GPU that a kernel has beside others: what communication kernels hold is not its.
#pragma once

namespace moesim::hardware {

struct DeviceShare {
  double multiprocessors = 1;  // and of the arithmetic, in (0, 1]
  double bandwidth = 1;        // of the memory, in (0, 1]

  constexpr DeviceShare() = default;
  // A part of the multiprocessors only.
  constexpr DeviceShare(double sms, double memory = 1) : multiprocessors(sms), bandwidth(memory) {}
};

}  // namespace moesim::hardware
