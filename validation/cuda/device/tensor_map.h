// What a bulk tensor copy is told about a tensor: its place, its shape, and the box that one copy
// moves. Elements of a box that lie outside the tensor arrive as zeros.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#include <cuda.h>
#elif defined(MOESIM_GPU_HOST)
#include <cuda.h>
#endif

namespace moesim::validation::cuda {

enum class TensorElement { Bf16, Fp8, Float };

constexpr std::uint64_t bytes_of(TensorElement element) {
  return element == TensorElement::Float ? 4 : element == TensorElement::Bf16 ? 2 : 1;
}

// The hardware wants: base and strides multiples of 16 bytes; a box of at most 256 in each
// direction, that begins at a multiple of 16 bytes in direction 0 (a copy from elsewhere is an
// illegal instruction: seen on an H100, said nowhere); with the 128-byte swizzle, 128 bytes of a
// box in direction 0.
struct TensorShape {
  const void* base = nullptr;
  TensorElement element = TensorElement::Bf16;
  int rank = 2;
  std::uint64_t size[3] = {1, 1, 1};    // elements; direction 0 is contiguous
  std::uint64_t stride[3] = {0, 0, 0};  // bytes, of directions 1 and 2 ([0] is not used)
  std::uint32_t box[3] = {1, 1, 1};
  bool swizzle128 = false;
};

#if defined(__CUDACC__) || defined(MOESIM_GPU_HOST)
using TensorMap = CUtensorMap;
#else
struct TensorMap {
  TensorShape shape;
};
#endif

}  // namespace moesim::validation::cuda
