// Bulk tensor copies (sm_90): one thread asks for a box of a tensor; the copy engine brings it and
// counts its bytes (all of the box, the zeros outside the tensor too) at an mbarrier.
#pragma once

#include "validation/cuda/device/barrier.cuh"
#include "validation/cuda/device/tensor_map.h"

#ifndef __CUDACC__
#include "validation/cuda/emulation/tensor_copy.h"
#endif

namespace moesim::validation::cuda {

#ifdef __CUDACC__

__device__ __forceinline__ void prefetch_map(const TensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

__device__ __forceinline__ void tensor_copy_2d(void* to, const TensorMap& map, int x, int y,
                                               Barrier& barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3}], [%4];" ::"r"(shared_address(to)),
      "l"(&map), "r"(x), "r"(y), "r"(shared_address(&barrier))
      : "memory");
}

__device__ __forceinline__ void tensor_copy_3d(void* to, const TensorMap& map, int x, int y, int z,
                                               Barrier& barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3, %4}], [%5];" ::"r"(shared_address(to)),
      "l"(&map), "r"(x), "r"(y), "r"(z), "r"(shared_address(&barrier))
      : "memory");
}

#else

inline void prefetch_map(const TensorMap&) {}
inline void tensor_copy_2d(void* to, const TensorMap& map, int x, int y, Barrier& barrier) {
  emulation::tensor_copy(to, map, {x, y, 0}, &barrier.word);
}
inline void tensor_copy_3d(void* to, const TensorMap& map, int x, int y, int z, Barrier& barrier) {
  emulation::tensor_copy(to, map, {x, y, z}, &barrier.word);
}

#endif

}  // namespace moesim::validation::cuda
