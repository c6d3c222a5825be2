// How much of the time enough engines are up, and what they carry on average.
//
// An engine stops where any of its GPUs, or what connects them, does, and is back after `restart`:
// of the time it is down g restart / hours, g its GPUs. Engines stop by themselves, one of another.
// From 16,384 H100 of 54 days, 419 unexpected stops (Llama 3, arXiv 2407.21783): 50,700 GPU-hours
// to one; a restart of 10 minutes is assumed.
#pragma once

#include <cstdint>

namespace moesim::tools {

struct Reliability {
  double gpu_hours = 50'700;     // to a stop
  double restart_h = 10.0 / 60;  // until the engine serves again
};

struct Availability {
  double enough = 1;   // part of the time in which at least as many engines are up as are needed
  double carried = 0;  // what the engines that are up carry, on average, up to the rate
};

// `engines` of so many GPUs, each of which carries `capacity`; `rate` is asked for.
// REQUIRES: capacity, rate above 0
Availability availability_of(std::int64_t engines, std::int64_t gpus, double capacity, double rate,
                             const Reliability& reliability);

}  // namespace moesim::tools
