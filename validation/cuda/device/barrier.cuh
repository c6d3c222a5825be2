// mbarrier (sm_90): counts arrivals and bytes of bulk copies; a phase is over when both are in.
//
// A waiter names the parity of the phase it waits for: 0 for the first, 1 for the second, 0 for the
// third. On a fresh barrier the wait for parity 1 returns at once, which is how producers begin.
#pragma once

#include "validation/cuda/device/platform.cuh"

#ifndef __CUDACC__
#include "validation/cuda/emulation/barrier.h"
#endif

namespace moesim::validation::cuda {

struct alignas(8) Barrier {
  std::uint64_t word;
};

#ifdef __CUDACC__

__device__ __forceinline__ void barrier_init(Barrier& barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&barrier)),
               "r"(arrivals)
               : "memory");
}

// Makes initialised barriers known to the copy engine. By the thread that initialised them, before
// the block's barrier.
__device__ __forceinline__ void fence_barrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void barrier_arrive(Barrier& barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(&barrier))
               : "memory");
}

// Arrives, and makes the phase wait for `bytes` more of bulk copies.
__device__ __forceinline__ void barrier_arrive_expect(Barrier& barrier, std::uint32_t bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&barrier)),
      "r"(bytes)
      : "memory");
}

__device__ __forceinline__ void barrier_wait(Barrier& barrier, int parity) {
  const std::uint32_t address = shared_address(&barrier);
  std::uint32_t done = 0;
  while (done == 0) {
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n"
        "}"
        : "=r"(done)
        : "r"(address), "r"(parity)
        : "memory");
  }
}

#else

inline void barrier_init(Barrier& b, int arrivals) {
  emulation::barrier_init(&b.word, arrivals);
}
inline void fence_barrier_init() {
  emulation::fence_barrier_init();
}
inline void barrier_arrive(Barrier& b) {
  emulation::barrier_arrive(&b.word, 0);
}
inline void barrier_arrive_expect(Barrier& b, std::uint32_t bytes) {
  emulation::barrier_arrive(&b.word, bytes);
}
inline void barrier_wait(Barrier& b, int parity) {
  emulation::barrier_wait(&b.word, parity);
}

#endif

// Where a ring of stages stands: the stage, and the parity of its phase.
template <int kStages>
struct RingPosition {
  int stage = 0;
  int parity = 0;
  __device__ __forceinline__ void advance() {
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

}  // namespace moesim::validation::cuda
