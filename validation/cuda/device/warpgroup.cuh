// Matrix instructions of a warpgroup (sm_90a): wgmma, operands in shared memory, sums in registers.
//
// Both operands are K-major in tiles of 128-byte rows with the 128-byte swizzle: 8 rows (1024
// bytes, so aligned) repeat. Order of use: fence, products, commit, wait; the sums and the
// operands' memory are the hardware's from the product to the wait. Sums (PTX ISA, "Register
// fragments for wgmma .m64nN"): thread t of the warpgroup has, for each eight columns j, sum[4 j +
// 0..3] at rows 16 (t / 32) + (t % 32) / 4 (+ 8 for the last two) and columns 8 j + 2 (t % 4) + {0,
// 1}.
#pragma once

#include "validation/cuda/device/platform.cuh"

#ifdef __CUDACC__
#include "validation/cuda/device/warpgroup_asm.cuh"
#else
#include "validation/cuda/emulation/warpgroup.h"
#endif

namespace moesim::validation::cuda {

inline constexpr int kWarpgroupSize = 128;

// Describes a K-major operand tile at `address` (PTX ISA, "Matrix descriptor"): the address and the
// distance of 8-row groups, both in units of 16 bytes; the leading distance is not used with a
// swizzle; bits 62-63 are 1 for the 128-byte swizzle. Adding 2 goes on by 32 bytes of K.
__host__ __device__ constexpr std::uint64_t operand_descriptor(std::uint32_t address) {
  constexpr std::uint64_t kLeading = 1, kGroupDistance = 1024 / 16, kSwizzle128 = 1;
  return (static_cast<std::uint64_t>(address & 0x3ffffu) >> 4) | (kLeading << 16) |
         (kGroupDistance << 32) | (kSwizzle128 << 62);
}
inline constexpr std::uint64_t kDescriptorStep32Bytes = 2;
// The same operand `steps` times 32 bytes of K further on.
__host__ __device__ constexpr std::uint64_t along_k(std::uint64_t descriptor, int steps) {
  return descriptor + static_cast<std::uint64_t>(steps) * kDescriptorStep32Bytes;
}

#ifdef __CUDACC__

__device__ __forceinline__ void warpgroup_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void warpgroup_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int kPending>
__device__ __forceinline__ void warpgroup_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}
// Keeps the compiler from moving uses of the sums over a fence or a wait.
template <int kCount>
__device__ __forceinline__ void pin_sums(float (&sum)[kCount]) {
  MOESIM_UNROLL
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(sum[i])::"memory");
}
template <int kCount>
__device__ __forceinline__ void product_bf16(float (&sum)[kCount], std::uint64_t a, std::uint64_t b,
                                             bool accumulate) {
  issue_bf16(sum, a, b, accumulate);
}
__device__ __forceinline__ void product_fp8(float (&sum)[64], std::uint64_t a, std::uint64_t b,
                                            bool accumulate) {
  issue_fp8(sum, a, b, accumulate);
}
// Gives registers away, or takes them. REQUIRES: all warps of the warpgroup call it
template <int kRegisters>
__device__ __forceinline__ void release_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ __forceinline__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

#else

inline void warpgroup_fence() {
  emulation::warpgroup_fence();
}
inline void warpgroup_commit() {
  emulation::warpgroup_commit();
}
template <int kPending>
void warpgroup_wait() {
  emulation::warpgroup_wait(kPending);
}
template <int kCount>
void pin_sums(float (&)[kCount]) {}
template <int kCount>
void product_bf16(float (&sum)[kCount], std::uint64_t a, std::uint64_t b, bool accumulate) {
  emulation::warpgroup_product({a, b, sum, 2 * kCount, accumulate, false});
}
inline void product_fp8(float (&sum)[64], std::uint64_t a, std::uint64_t b, bool accumulate) {
  emulation::warpgroup_product({a, b, sum, 128, accumulate, true});
}
template <int kRegisters>
void release_registers() {}
template <int kRegisters>
void take_registers() {}

#endif

}  // namespace moesim::validation::cuda
