// The two sides of the kernels: compiled for every GPU since sm_80, and for sm_90a alone.
#pragma once

#include <cuda_runtime_api.h>

#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

// Return false for an operation that is not theirs.
bool launch_portable_on(cudaStream_t stream, int multiprocessors, const Operation& operation);
bool launch_hopper_on(cudaStream_t stream, int multiprocessors, const Operation& operation);

}  // namespace moesim::validation::cuda
