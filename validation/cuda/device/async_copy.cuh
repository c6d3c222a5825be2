// cp.async (sm_80): 16 bytes from global to shared memory, past the registers.
//
// A copy is only there for its own thread after async_wait, and for others after a barrier behind
// that. The emulator copies at the wait, or at once (Engine::Eager).
#pragma once

#include "validation/cuda/device/platform.cuh"

#ifndef __CUDACC__
#include "validation/cuda/emulation/async_copy.h"
#endif

namespace moesim::validation::cuda {

#ifdef __CUDACC__

// Copies `valid` (0 or 16) bytes and fills the rest of the 16 with zeros.
__device__ __forceinline__ void async_copy16(void* to, const void* from, int valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(valid)
               : "memory");
}
__device__ __forceinline__ void async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits until at most `kPending` of the committed groups are under way.
template <int kPending>
__device__ __forceinline__ void async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

#else

inline void async_copy16(void* to, const void* from, int valid) {
  emulation::async_copy16(to, from, valid);
}
inline void async_commit() {
  emulation::async_commit();
}
template <int kPending>
void async_wait() {
  emulation::async_wait(kPending);
}

#endif

}  // namespace moesim::validation::cuda
