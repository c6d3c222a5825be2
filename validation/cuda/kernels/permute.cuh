// Rows to their experts and back: permute gathers a copy of the token's row for each selection,
// unpermute sums a token's rows by their weights.
#pragma once

#include "validation/cuda/device/numbers.h"
#include "validation/cuda/device/platform.cuh"
#include "validation/cuda/kernels/arguments.h"

namespace moesim::validation::cuda {

inline constexpr int kRowThreads = 256;
inline constexpr int kRowsUnderWay = 4;  // of a token, read before any of them is added

// A block takes pieces of 16 bytes of one row, as many as it has threads, so that few tokens occupy
// many multiprocessors.
__host__ __device__ constexpr int row_parts(int hidden) {
  return ceil_div(hidden / 8, kRowThreads);
}

__global__ void __launch_bounds__(kRowThreads) permute(PermuteArgs args) {
  const int pieces = args.hidden / 8, parts = row_parts(args.hidden);
  const auto jobs = static_cast<std::int64_t>(*args.row_count) * parts;
  for (auto job = static_cast<std::int64_t>(block_index()); job < jobs; job += grid_size()) {
    const std::int64_t row = job / parts;
    const int i = static_cast<int>(job % parts) * kRowThreads + thread_index();
    if (i >= pieces) continue;
    const auto* from = reinterpret_cast<const Vector16*>(
        args.tokens + static_cast<std::ptrdiff_t>(args.token_of[row]) * args.hidden);
    reinterpret_cast<Vector16*>(args.rows + row * args.hidden)[i] = from[i];
  }
}

__global__ void __launch_bounds__(kRowThreads) unpermute(UnpermuteArgs args) {
  const int pieces = args.hidden / 8, parts = row_parts(args.hidden);
  const auto jobs = static_cast<std::int64_t>(args.tokens) * parts;
  for (auto job = static_cast<std::int64_t>(block_index()); job < jobs; job += grid_size()) {
    const std::int64_t token = job / parts;
    const int i = static_cast<int>(job % parts) * kRowThreads + thread_index();
    if (i >= pieces) continue;
    const std::int64_t selection = token * args.top_k;
    float sum[8] = {};
    for (int first = 0; first < args.top_k; first += kRowsUnderWay) {
      float weight[kRowsUnderWay] = {};
      Vector16 piece[kRowsUnderWay] = {};
      MOESIM_UNROLL
      for (int k = 0; k < kRowsUnderWay; ++k) {
        if (first + k >= args.top_k) break;
        const int row = args.row_of[selection + first + k];
        if (row < 0) continue;
        weight[k] = args.weights[selection + first + k];
        piece[k] = reinterpret_cast<const Vector16*>(args.rows + static_cast<std::ptrdiff_t>(row) *
                                                                     args.hidden)[i];
      }
      MOESIM_UNROLL
      for (int k = 0; k < kRowsUnderWay; ++k) {
        MOESIM_UNROLL
        for (int j = 0; j < 4; ++j) {
          sum[2 * j] += weight[k] * low_bf16(piece[k].word[j]);
          sum[2 * j + 1] += weight[k] * high_bf16(piece[k].word[j]);
        }
      }
    }
    Vector16 result;
    MOESIM_UNROLL
    for (int j = 0; j < 4; ++j) result.word[j] = pack_bf16(sum[2 * j], sum[2 * j + 1]);
    reinterpret_cast<Vector16*>(args.out + token * args.hidden)[i] = result;
  }
}

// Enough blocks to fill any card several times over; a loop takes the rest.
inline constexpr int kMostRowBlocks = 8192;
constexpr int row_blocks(int rows, int hidden) {
  const std::int64_t jobs = std::int64_t{rows} * row_parts(hidden);
  return static_cast<int>(jobs < kMostRowBlocks ? jobs : kMostRowBlocks);
}

template <class Launcher>
void launch_permute(Launcher& launcher, const PermuteArgs& args) {
  if (args.most_rows == 0) return;
  launcher.launch(permute, row_blocks(args.most_rows, args.hidden), kRowThreads, 0, args);
}

template <class Launcher>
void launch_unpermute(Launcher& launcher, const UnpermuteArgs& args) {
  if (args.tokens == 0) return;
  launcher.launch(unpermute, row_blocks(args.tokens, args.hidden), kRowThreads, 0, args);
}

}  // namespace moesim::validation::cuda
