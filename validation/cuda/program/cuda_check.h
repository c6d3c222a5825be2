// Turns the run time's error codes into exceptions that say what was asked for.
#pragma once

#include <string>

#include "validation/cuda/program/toolkit.h"
#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

inline void check_cuda(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  const std::string text = std::string(what) + ": " + cudaGetErrorString(error);
  if (error == cudaErrorMemoryAllocation) throw OutOfMemory(text);
  throw MachineError(text);
}

}  // namespace moesim::validation::cuda
