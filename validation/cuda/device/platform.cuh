// The CUDA words that kernels are written in, on a GPU and in the emulator: thread indices,
// barriers, shared memory. Kernels are one-dimensional.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#define MOESIM_UNROLL _Pragma("unroll")
#else
#define MOESIM_UNROLL
#include "validation/cuda/emulation/emulator.h"
#include "validation/cuda/emulation/keywords.h"
#endif

namespace moesim::validation::cuda {

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

#ifdef __CUDACC__

__device__ __forceinline__ int thread_index() {
  return static_cast<int>(threadIdx.x);
}
__device__ __forceinline__ int block_index() {
  return static_cast<int>(blockIdx.x);
}
__device__ __forceinline__ int block_size() {
  return static_cast<int>(blockDim.x);
}
__device__ __forceinline__ int grid_size() {
  return static_cast<int>(gridDim.x);
}
__device__ __forceinline__ void sync_threads() {
  __syncthreads();
}

// A barrier of `count` threads (whole warps) among those of the block. REQUIRES: 1 <= id <= 15
__device__ __forceinline__ void sync_some(int id, int count) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(count) : "memory");
}

__device__ __forceinline__ std::uint32_t shared_address(const void* pointer) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(pointer));
}

// The same number, not negative, of which the compiler knows no more: what follows from it is
// computed again where it is used, and not kept in registers over a loop.
__device__ __forceinline__ int forgotten(int value) {
  asm volatile("" : "+r"(value));
  __builtin_assume(value >= 0);
  return value;
}

__device__ __forceinline__ std::byte* dynamic_shared() {
  extern __shared__ __align__(1024) unsigned char moesim_dynamic_shared[];
  return reinterpret_cast<std::byte*>(moesim_dynamic_shared);
}

__device__ __forceinline__ int atomic_add(int* to, int value) {
  return atomicAdd(to, value);
}
__device__ __forceinline__ unsigned long long atomic_add(unsigned long long* to,
                                                         unsigned long long value) {
  return atomicAdd(to, value);
}

#else

inline int thread_index() {
  return emulation::thread_index();
}
inline int block_index() {
  return emulation::block_index();
}
inline int block_size() {
  return emulation::block_size();
}
inline int grid_size() {
  return emulation::grid_size();
}
inline void sync_threads() {
  emulation::barrier(0, 0);
}
inline void sync_some(int id, int count) {
  emulation::barrier(id, count);
}
inline std::uint32_t shared_address(const void* pointer) {
  return emulation::shared_address(pointer);
}
inline int forgotten(int value) {
  return value;
}
inline std::byte* dynamic_shared() {
  return emulation::shared_base();
}

template <class T>
T atomic_add(T* to, T value) {
  const T before = *to;
  *to = before + value;
  return before;
}

#endif

__device__ __forceinline__ int lane_index() {
  return thread_index() % kWarpSize;
}
__device__ __forceinline__ int warp_index() {
  return thread_index() / kWarpSize;
}

// The block's dynamic shared memory as a T, aligned as T asks (up to 1024 bytes, which the 128-byte
// swizzle needs). A launch gives shared_bytes<T>().
template <class T>
__device__ __forceinline__ T& shared_as() {
  std::byte* base = dynamic_shared();
  const std::uint32_t misplaced = shared_address(base) % static_cast<std::uint32_t>(alignof(T));
  return *reinterpret_cast<T*>(
      base + (misplaced == 0 ? 0 : static_cast<std::uint32_t>(alignof(T)) - misplaced));
}

template <class T>
constexpr std::size_t shared_bytes() {
  return sizeof(T) + (alignof(T) > 16 ? alignof(T) : 0);
}

}  // namespace moesim::validation::cuda
