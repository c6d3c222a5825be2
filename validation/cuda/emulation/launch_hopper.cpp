#include "validation/cuda/emulation/launcher.h"
#include "validation/cuda/emulation/launches.h"
#include "validation/cuda/kernels/dispatch_hopper.cuh"

namespace moesim::validation::cuda::emulation {

bool launch_hopper_emulated(const Options& options, const Operation& operation) {
  Launcher launcher(options);
  return launch_hopper(launcher, operation);
}

}  // namespace moesim::validation::cuda::emulation
