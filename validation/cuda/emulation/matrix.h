// ldmatrix and mma.sync in the emulator.
#pragma once

#include <cstdint>

namespace moesim::validation::cuda::emulation {

void load_matrices(std::uint32_t (&out)[4], const void* row);
void load_turned_matrices(std::uint32_t (&out)[4], const void* row);
void multiply_add(float (&sum)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);

}  // namespace moesim::validation::cuda::emulation
