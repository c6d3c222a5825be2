// What attention of a prompt and of one new token share: softmax(q K^T / sqrt(d)) V by pieces of
// keys with a running maximum (FlashAttention-2, arXiv 2307.08691) on mma.sync (sm_80 and up).
//
// A warp has tiles of 16 rows: queries, or heads of one query. The scores of a piece lie in the
// fragments that the second product wants its left operand in: they never leave the registers. In
// shared memory piece p of 16 bytes of a vector v lies at p ^ (v % 8), so that ldmatrix meets all
// banks.
#pragma once

#include <cmath>

#include "validation/cuda/device/async_copy.cuh"
#include "validation/cuda/device/matrix.cuh"
#include "validation/cuda/device/warp.cuh"
#include "validation/cuda/kernels/arguments.h"

namespace moesim::validation::cuda {

inline constexpr int kHeadDim = 128;
inline constexpr int kHeadPieces = kHeadDim / 8;  // of 16 bytes
// log2(e) / sqrt(128): the exponentials are powers of two.
inline constexpr float kScoreScale = 0.127517432f;

// What a warp knows of 16 rows; a lane holds the rows lane / 4 and that plus 8.
struct AttentionRows {
  float sum[kHeadDim / 8][4] = {};  // fragments C: of values, by weights
  float highest[2] = {-INFINITY, -INFINITY};
  float weight[2] = {};  // of this lane's keys
};

// Where a 16-byte piece of a vector lies, in values.
__device__ __forceinline__ int vector_at(int vector, int piece) {
  return vector * kHeadDim + (piece ^ (vector & 7)) * 8;
}

// Brings kCount vectors from the `first` on, `stride` values apart, into shared memory; zeros from
// `end` on. By kThreads threads, of which this is number `thread`.
template <int kCount, int kThreads>
__device__ __forceinline__ void stage_vectors(Bf16* to, const Bf16* vectors, int stride, int first,
                                              int end, int number) {
  const int thread = forgotten(number), piece = thread % kHeadPieces;
  const Bf16* from =
      vectors + static_cast<std::ptrdiff_t>(first + thread / kHeadPieces) * stride + piece * 8;
  MOESIM_UNROLL
  for (int i = 0; i < kCount * kHeadPieces / kThreads; ++i) {
    const int before = i * (kThreads / kHeadPieces), vector = before + thread / kHeadPieces;
    // Where nothing is valid, nothing is read.
    async_copy16(to + vector_at(vector, piece), from + static_cast<std::ptrdiff_t>(before) * stride,
                 first + vector < end ? 16 : 0);
  }
}

// Adds the products of rows and keys to the scores. `load_left(step, left)` gives the fragments A
// of the tiles' values 16 step … 16 step + 15.
template <int kTiles, int kKeys, class LoadLeft>
__device__ __forceinline__ void add_scores(float (&score)[kTiles][kKeys / 8][4], const Bf16* keys,
                                           const LoadLeft& load_left) {
  const int lane = forgotten(lane_index());
  MOESIM_UNROLL
  for (int step = 0; step < kHeadDim / 16; ++step) {
    std::uint32_t left[kTiles][4];
    load_left(step, left);
    MOESIM_UNROLL
    for (int j = 0; j < kKeys / 8; j += 2) {
      // Matrices: the first and second eight values of keys 0-7, then of keys 8-15.
      std::uint32_t both[4];
      load_matrices(both, keys + j * 8 * kHeadDim +
                              vector_at(lane / 16 * 8 + lane % 8, step * 2 + lane / 8 % 2));
      MOESIM_UNROLL
      for (int t = 0; t < kTiles; ++t) {
        multiply_add(score[t][j], left[t], {both[0], both[1]});
        multiply_add(score[t][j + 1], left[t], {both[2], both[3]});
      }
    }
  }
}

// Hides the keys that a row does not see: its first `seen` it does, and the lane's second row
// `more` beyond those.
template <int kKeys>
__device__ __forceinline__ void hide_keys(float (&score)[kKeys / 8][4], int seen, int more) {
  MOESIM_UNROLL
  for (int j = 0; j < kKeys / 8; ++j) {
    MOESIM_UNROLL
    for (int c = 0; c < 4; ++c) {
      if (j * 8 + lane_index() % 4 * 2 + c % 2 >= seen + c / 2 * more) score[j][c] = -INFINITY;
    }
  }
}

// Makes weights of the scores, by a maximum that may be higher now; what was summed before follows.
// A row sees one of its first keys at least: its maximum is finite from then on.
template <int kKeys>
__device__ __forceinline__ void weigh(AttentionRows& rows, float (&score)[kKeys / 8][4]) {
  MOESIM_UNROLL
  for (int row = 0; row < 2; ++row) {
    float top = rows.highest[row];
    MOESIM_UNROLL
    for (int j = 0; j < kKeys / 8; ++j) {
      top = fmaxf(top, fmaxf(score[j][2 * row], score[j][2 * row + 1]));
    }
    // Of the four lanes that have this row.
    top = fmaxf(top, shuffle_xor(top, 1));
    top = fmaxf(top, shuffle_xor(top, 2));
    const float keep = power_of_two((rows.highest[row] - top) * kScoreScale);
    rows.highest[row] = top;
    float weight[2] = {};
    const float shift = top * kScoreScale;
    MOESIM_UNROLL
    for (int j = 0; j < kKeys / 8; ++j) {
      MOESIM_UNROLL
      for (int c = 2 * row; c < 2 * row + 2; ++c) {
        score[j][c] = power_of_two(score[j][c] * kScoreScale - shift);
        weight[c % 2] += score[j][c];
      }
    }
    rows.weight[row] = rows.weight[row] * keep + (weight[0] + weight[1]);
    MOESIM_UNROLL
    for (int d = 0; d < kHeadDim / 8; ++d) {
      rows.sum[d][2 * row] *= keep;
      rows.sum[d][2 * row + 1] *= keep;
    }
  }
}

// Adds the products of weights and values to the sums.
template <int kTiles, int kKeys>
__device__ __forceinline__ void add_values(AttentionRows (&rows)[kTiles],
                                           const float (&weight)[kTiles][kKeys / 8][4],
                                           const Bf16* values) {
  const int lane = forgotten(lane_index());
  MOESIM_UNROLL
  for (int step = 0; step < kKeys / 16; ++step) {
    std::uint32_t left[kTiles][4];
    MOESIM_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      MOESIM_UNROLL
      for (int half = 0; half < 2; ++half) {
        const float(&eight)[4] = weight[t][2 * step + half];
        left[t][2 * half] = pack_bf16(eight[0], eight[1]);
        left[t][2 * half + 1] = pack_bf16(eight[2], eight[3]);
      }
    }
    MOESIM_UNROLL
    for (int d = 0; d < kHeadPieces; d += 2) {
      // Matrices: keys 0-7 and 8-15 of the first eight values, then of the second.
      std::uint32_t both[4];
      load_turned_matrices(both,
                           values + step * 16 * kHeadDim + vector_at(lane % 16, d + lane / 16));
      MOESIM_UNROLL
      for (int t = 0; t < kTiles; ++t) {
        multiply_add(rows[t].sum[d], left[t], {both[0], both[1]});
        multiply_add(rows[t].sum[d + 1], left[t], {both[2], both[3]});
      }
    }
  }
}

// The weight of one of the lane's rows by all keys.
__device__ __forceinline__ float whole_weight(const AttentionRows& rows, int row) {
  const float pair = rows.weight[row] + shuffle_xor(rows.weight[row], 1);
  return pair + shuffle_xor(pair, 2);
}

}  // namespace moesim::validation::cuda
