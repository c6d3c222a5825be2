// SwiGLU: out = silu(gate) * up, silu(x) = x / (1 + exp(-x)). A row holds the gates, then the ups.
#pragma once

#include <cmath>

#include "validation/cuda/device/numbers.h"
#include "validation/cuda/device/platform.cuh"
#include "validation/cuda/kernels/arguments.h"
#include "validation/cuda/kernels/permute.cuh"

namespace moesim::validation::cuda {

__device__ __forceinline__ float swiglu_of(float gate, float up) {
  return gate / (1.0f + expf(-gate)) * up;
}

__global__ void __launch_bounds__(kRowThreads) swiglu(SwigluArgs args) {
  const int pieces = args.inter / 8;
  const int rows = *args.row_count;
  for (int row = block_index(); row < rows; row += grid_size()) {
    const auto* gate = reinterpret_cast<const Vector16*>(
        args.gate_up + static_cast<std::ptrdiff_t>(row) * 2 * args.inter);
    const Vector16* up = gate + pieces;
    auto* out =
        reinterpret_cast<Vector16*>(args.out + static_cast<std::ptrdiff_t>(row) * args.inter);
    for (int i = thread_index(); i < pieces; i += kRowThreads) {
      const Vector16 g = gate[i], u = up[i];
      Vector16 result;
      MOESIM_UNROLL
      for (int j = 0; j < 4; ++j) {
        result.word[j] = pack_bf16(swiglu_of(low_bf16(g.word[j]), low_bf16(u.word[j])),
                                   swiglu_of(high_bf16(g.word[j]), high_bf16(u.word[j])));
      }
      out[i] = result;
    }
  }
}

template <class Launcher>
void launch_swiglu(Launcher& launcher, const SwigluArgs& args) {
  if (args.most_rows == 0) return;
  const int grid = args.most_rows < kMostRowBlocks ? args.most_rows : kMostRowBlocks;
  launcher.launch(swiglu, grid, kRowThreads, 0, args);
}

}  // namespace moesim::validation::cuda
