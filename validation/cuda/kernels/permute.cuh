// Rows to their experts and back: permute gathers a copy of the token's row for each selection,
// unpermute sums a token's rows by their weights.
#pragma once

#include "validation/cuda/device/numbers.h"
#include "validation/cuda/device/platform.cuh"
#include "validation/cuda/kernels/arguments.h"

namespace moesim::validation::cuda {

inline constexpr int kRowThreads = 256;

__global__ void __launch_bounds__(kRowThreads) permute(PermuteArgs args) {
  const int pieces = args.hidden / 8;
  const int rows = *args.row_count;
  for (int row = block_index(); row < rows; row += grid_size()) {
    const auto* from = reinterpret_cast<const Vector16*>(
        args.tokens + static_cast<std::ptrdiff_t>(args.token_of[row]) * args.hidden);
    auto* to =
        reinterpret_cast<Vector16*>(args.rows + static_cast<std::ptrdiff_t>(row) * args.hidden);
    for (int i = thread_index(); i < pieces; i += kRowThreads) to[i] = from[i];
  }
}

__global__ void __launch_bounds__(kRowThreads) unpermute(UnpermuteArgs args) {
  const int pieces = args.hidden / 8;
  for (int token = block_index(); token < args.tokens; token += grid_size()) {
    const std::ptrdiff_t selection = static_cast<std::ptrdiff_t>(token) * args.top_k;
    auto* out =
        reinterpret_cast<Vector16*>(args.out + static_cast<std::ptrdiff_t>(token) * args.hidden);
    for (int i = thread_index(); i < pieces; i += kRowThreads) {
      float sum[8] = {};
      for (int k = 0; k < args.top_k; ++k) {
        const int row = args.row_of[selection + k];
        if (row < 0) continue;
        const float weight = args.weights[selection + k];
        const Vector16 piece = reinterpret_cast<const Vector16*>(
            args.rows + static_cast<std::ptrdiff_t>(row) * args.hidden)[i];
        MOESIM_UNROLL
        for (int j = 0; j < 4; ++j) {
          sum[2 * j] += weight * low_bf16(piece.word[j]);
          sum[2 * j + 1] += weight * high_bf16(piece.word[j]);
        }
      }
      Vector16 result;
      MOESIM_UNROLL
      for (int j = 0; j < 4; ++j) result.word[j] = pack_bf16(sum[2 * j], sum[2 * j + 1]);
      out[i] = result;
    }
  }
}

// Enough blocks to fill any card several times over; a loop takes the rest.
inline constexpr int kMostRowBlocks = 4096;

template <class Launcher>
void launch_permute(Launcher& launcher, const PermuteArgs& args) {
  if (args.most_rows == 0) return;
  const int grid = args.most_rows < kMostRowBlocks ? args.most_rows : kMostRowBlocks;
  launcher.launch(permute, grid, kRowThreads, 0, args);
}

template <class Launcher>
void launch_unpermute(Launcher& launcher, const UnpermuteArgs& args) {
  if (args.tokens == 0) return;
  const int grid = args.tokens < kMostRowBlocks ? args.tokens : kMostRowBlocks;
  launcher.launch(unpermute, grid, kRowThreads, 0, args);
}

}  // namespace moesim::validation::cuda
