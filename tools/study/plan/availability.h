// How much of the time enough engines are up, and what they carry on average.
//
// An engine stops where any of its GPUs, or what connects them, does, and is back after `restart`:
// of the time it is down g restart / hours, g its GPUs. Engines stop by themselves, one of another.
#pragma once

#include <array>
#include <cstdint>

#include "hardware/reliability.h"

namespace moesim::tools {

using hardware::Reliability;

struct Availability {
  double enough = 1;   // part of the time in which at least as many engines are up as are needed
  double carried = 0;  // what the engines that are up carry, on average, up to the rate
};

// `engines` of so many GPUs, each of which carries `capacity`; `rate` is asked for.
// REQUIRES: capacity, rate above 0
Availability availability_of(std::int64_t engines, std::int64_t gpus, double capacity, double rate,
                             const Reliability& reliability);

// What an engine carries with one, and with two, of its GPUs lost; 0: it stops.
struct LostCapacity {
  double one = 0, two = 0;
};

// With no, one and two GPUs lost of all: how likely at an instant, and what is carried then. More
// than two are taken to carry nothing.
struct Losses {
  std::array<double, 3> probability{}, capacity{};
  double available = 0;  // part of the time in which that is at least the rate
  double goodput = 0;    // sum of probability x capacity
};

// A GPU is lost restart / hours of the time, one by itself; its engine stops, or, elastic, goes on
// without it after the recovery. REQUIRES: engines and gpus (of each) above 0
Losses losses_of(std::int64_t engines, std::int64_t gpus, double capacity, const LostCapacity& lost,
                 double rate, const Reliability& reliability);

}  // namespace moesim::tools
