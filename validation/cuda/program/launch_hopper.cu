#include "validation/cuda/kernels/dispatch_hopper.cuh"
#include "validation/cuda/program/launcher.cuh"
#include "validation/cuda/program/launches.h"

namespace moesim::validation::cuda {

bool launch_hopper_on(cudaStream_t stream, int multiprocessors, const Operation& operation) {
  CudaLauncher launcher(stream, multiprocessors);
  return launch_hopper(launcher, operation);
}

}  // namespace moesim::validation::cuda
