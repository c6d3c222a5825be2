#include "validation/cuda/emulation/launcher.h"
#include "validation/cuda/emulation/launches.h"
#include "validation/cuda/kernels/dispatch.cuh"

namespace moesim::validation::cuda::emulation {

bool launch_portable_emulated(const Options& options, const Operation& operation) {
  Launcher launcher(options);
  return launch_portable(launcher, operation);
}

}  // namespace moesim::validation::cuda::emulation
