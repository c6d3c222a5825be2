// Bulk tensor copies in the emulator: the box lands through the 128-byte swizzle, whole or not at
// all.
#pragma once

#include <array>
#include <cstdint>

#include "validation/cuda/device/tensor_map.h"

namespace moesim::validation::cuda::emulation {

void tensor_copy(void* to, const TensorMap& map, std::array<int, 3> at, std::uint64_t* barrier);

// The place that the 128-byte swizzle gives to a byte: bits 4-6 of the address, exclusive or with
// bits 7-9 (so that a column of 16-byte pieces of eight 128-byte rows lies in eight places).
constexpr std::uint32_t swizzle128(std::uint32_t address) {
  return address ^ ((address >> 3) & 0x70u);
}

}  // namespace moesim::validation::cuda::emulation
