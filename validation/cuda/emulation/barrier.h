// mbarrier in the emulator; the state is kept in the 64-bit word itself, as the hardware does.
#pragma once

#include <cstdint>

namespace moesim::validation::cuda::emulation {

void barrier_init(std::uint64_t* word, int arrivals);
void fence_barrier_init();
// One arrival; `bytes` more are expected of copies.
void barrier_arrive(std::uint64_t* word, std::uint32_t bytes);
void barrier_complete_bytes(std::uint64_t* word, std::uint32_t bytes);
void barrier_wait(std::uint64_t* word, int parity);
// Throws Misuse where the barrier is not initialised, or the copy engine was not told of it.
void require_barrier(const std::uint64_t* word, const char* who);

}  // namespace moesim::validation::cuda::emulation
