// How long memory traffic takes: shared by all models of kernels.
#pragma once

#include "hardware/kernels/rates.h"

namespace moesim::hardware {

// What one multiprocessor can have under way, bytes a microsecond: outstanding loads over the
// memory's latency (Little's law). It is why a card with the same multiprocessors and a faster
// memory uses a smaller part of it: public H100 and H200 GEMM tables (m <= 64) have a median time
// ratio of 0.78 where the bandwidths' is 0.70, and 230 GB/s gives that.
inline constexpr double kMultiprocessorTraffic = 230e3;

// Bytes a microsecond that a kernel on all of a device's multiprocessors reaches.
double sustained_bandwidth(const Rates& rates, double fraction);

// Microseconds for `bytes`, with a ramp that long transfers lose once and short ones in part.
double memory_us(double bytes, double bandwidth, double ramp_us, double ramp_scale_us);

// FLOP a microsecond of one multiprocessor in the middle of a tile. What keeps it from its peak is
// work beside the tensor cores (addresses, barriers, scales), which takes its own time for each
// step of a tile: `fraction` is what is left of the peak on H100, and a slower tensor core (H20)
// loses less to it. `slowdown`: of clocks at high arithmetic intensity, in proportion to that rate.
double sustained_rate(const Rates& rates, double fraction, double slowdown, double intensity);

}  // namespace moesim::hardware
