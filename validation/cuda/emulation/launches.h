// The two sides of the kernels, compiled for the emulator: in files of their own, so that a test
// can put one with changed kernels before that of the library.
#pragma once

#include "validation/cuda/emulation/emulator.h"
#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda::emulation {

// Return false for an operation that is not theirs.
bool launch_portable_emulated(const Options& options, const Operation& operation);
bool launch_hopper_emulated(const Options& options, const Operation& operation);

}  // namespace moesim::validation::cuda::emulation
