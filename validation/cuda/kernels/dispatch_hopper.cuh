// From an operation to its launch, for kernels that need sm_90a.
#pragma once

#include "validation/cuda/kernels/grouped_gemm_fp8.cuh"
#include "validation/cuda/kernels/grouped_gemm_wgmma.cuh"
#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

// Returns false for an operation that is not among these.
template <class Launcher>
bool launch_hopper(Launcher& launcher, const Operation& operation) {
  if (const auto* gemm = std::get_if<GroupedGemm>(&operation)) {
    if (gemm->by != GemmBy::Wgmma) return false;
    launch_grouped_gemm_wgmma(launcher, gemm->args);
    return true;
  }
  if (const auto* fp8 = std::get_if<GroupedGemmFp8Args>(&operation)) {
    launch_grouped_gemm_fp8(launcher, *fp8);
    return true;
  }
  return false;
}

}  // namespace moesim::validation::cuda
