// Attention of a prompt, bound by arithmetic: causal softmax(q K^T / sqrt(d)) V on mma.sync (sm_80
// and up), by pieces of keys with a running maximum (FlashAttention-2, arXiv 2307.08691).
//
// A block takes 64 queries of one head, a warp 16 of them, whose values stay in registers. Pieces
// of 64 keys and values come by cp.async, the next while this one is at work. The scores of a piece
// lie in the fragments that the second product wants its left operand in: they never leave the
// registers. Piece p of 16 bytes of a key lies at p ^ (key % 8), so that ldmatrix meets all banks.
#pragma once

#include <cmath>

#include "validation/cuda/device/async_copy.cuh"
#include "validation/cuda/device/matrix.cuh"
#include "validation/cuda/kernels/attention.cuh"
#include "validation/cuda/kernels/tiles.cuh"

namespace moesim::validation::cuda {

inline constexpr int kPrefillWarps = 4;
inline constexpr int kPrefillThreads = kPrefillWarps * kWarpSize;
inline constexpr int kPrefillQueries = kPrefillWarps * 16;  // of a block
inline constexpr int kPrefillKeys = 64;                     // of a piece
inline constexpr int kPrefillBlocks = 2;                    // on a multiprocessor

struct PrefillShared {
  alignas(16) Bf16 keys[2][kPrefillKeys * kHeadDim];
  alignas(16) Bf16 values[2][kPrefillKeys * kHeadDim];
};

// Where a 16-byte piece of a key lies, in values.
__device__ __forceinline__ int cached_at(int key, int piece) {
  return key * kHeadDim + (piece ^ (key % 8)) * 8;
}

// Brings keys `first` … of a [length, 128] cache into a stage; zeros beyond its end.
__device__ __forceinline__ void stage_cache(Bf16* stage, const Bf16* cache, int first, int length) {
  MOESIM_UNROLL
  for (int i = 0; i < kPrefillKeys * 16 / kPrefillThreads; ++i) {
    const int job = i * kPrefillThreads + thread_index();
    const int key = job / 16, piece = job % 16;
    const bool inside = first + key < length;
    const Bf16* from =
        inside ? cache + static_cast<std::ptrdiff_t>(first + key) * kHeadDim + piece * 8 : cache;
    async_copy16(stage + cached_at(key, piece), from, inside ? 16 : 0);
  }
}

// What a warp knows of its 16 queries; a lane holds the rows lane / 4 and that plus 8.
struct PrefillState {
  std::uint32_t query[kHeadDim / 16][4];  // fragments A
  float sum[kHeadDim / 8][4] = {};        // fragments C: of values, by weights
  float highest[2] = {-INFINITY, -INFINITY};
  float weight[2] = {};  // of this lane's keys
};

__device__ __forceinline__ void load_queries(PrefillState& state, const Bf16* head, int stride,
                                             int first, int queries) {
  const int lane = lane_index();
  MOESIM_UNROLL
  for (int upper = 0; upper < 2; ++upper) {
    // A query beyond the last is the last again, and is not stored.
    const int row = first + upper * 8 + lane / 4;
    const auto* word = reinterpret_cast<const std::uint32_t*>(
        head + static_cast<std::ptrdiff_t>(row < queries ? row : queries - 1) * stride);
    MOESIM_UNROLL
    for (int step = 0; step < kHeadDim / 16; ++step) {
      state.query[step][upper] = word[step * 8 + lane % 4];
      state.query[step][upper + 2] = word[step * 8 + lane % 4 + 4];
    }
  }
}

// Scores of the piece's keys, and what they make of maximum, weights and sums. `seen`: how many of
// the piece's keys the lane's first query sees; the other sees eight more.
__device__ __forceinline__ void attend(PrefillState& state, const Bf16* keys, const Bf16* values,
                                       int seen) {
  const int lane = lane_index();
  float score[kPrefillKeys / 8][4] = {};
  MOESIM_UNROLL
  for (int step = 0; step < kHeadDim / 16; ++step) {
    MOESIM_UNROLL
    for (int j = 0; j < kPrefillKeys / 8; j += 2) {
      // Matrices: the first and second eight values of keys 0-7, then of keys 8-15.
      std::uint32_t both[4];
      load_matrices(both,
                    keys + cached_at(j * 8 + lane / 16 * 8 + lane % 8, step * 2 + lane / 8 % 2));
      multiply_add(score[j], state.query[step], {both[0], both[1]});
      multiply_add(score[j + 1], state.query[step], {both[2], both[3]});
    }
  }

  // log2(e) / sqrt(d): the exponentials are powers of two.
  const float scale = 1.4426950f / sqrtf(static_cast<float>(kHeadDim));
  MOESIM_UNROLL
  for (int row = 0; row < 2; ++row) {
    float top = state.highest[row];
    MOESIM_UNROLL
    for (int j = 0; j < kPrefillKeys / 8; ++j) {
      MOESIM_UNROLL
      for (int c = 2 * row; c < 2 * row + 2; ++c) {
        if (j * 8 + lane % 4 * 2 + c % 2 >= seen + row * 8) score[j][c] = -INFINITY;
        top = fmaxf(top, score[j][c]);
      }
    }
    // Of the four lanes that have this query. The first key is seen by all: finite from then on.
    top = fmaxf(top, shuffle_xor(top, 1));
    top = fmaxf(top, shuffle_xor(top, 2));
    const float keep = exp2f((state.highest[row] - top) * scale);
    state.highest[row] = top;
    state.weight[row] *= keep;
    MOESIM_UNROLL
    for (int j = 0; j < kPrefillKeys / 8; ++j) {
      MOESIM_UNROLL
      for (int c = 2 * row; c < 2 * row + 2; ++c) {
        score[j][c] = exp2f((score[j][c] - top) * scale);
        state.weight[row] += score[j][c];
      }
    }
    MOESIM_UNROLL
    for (int d = 0; d < kHeadDim / 8; ++d) {
      state.sum[d][2 * row] *= keep;
      state.sum[d][2 * row + 1] *= keep;
    }
  }

  MOESIM_UNROLL
  for (int step = 0; step < kPrefillKeys / 16; ++step) {
    const float(&low)[4] = score[2 * step], (&high)[4] = score[2 * step + 1];
    const std::uint32_t left[4] = {pack_bf16(low[0], low[1]), pack_bf16(low[2], low[3]),
                                   pack_bf16(high[0], high[1]), pack_bf16(high[2], high[3])};
    MOESIM_UNROLL
    for (int d = 0; d < kHeadDim / 8; d += 2) {
      // Matrices: keys 0-7 and 8-15 of the first eight values, then of the second.
      std::uint32_t both[4];
      load_turned_matrices(
          both, values + cached_at(step * 16 + lane / 8 % 2 * 8 + lane % 8, d + lane / 16));
      multiply_add(state.sum[d], left, {both[0], both[1]});
      multiply_add(state.sum[d + 1], left, {both[2], both[3]});
    }
  }
}

// Blocks of all heads begin with the last queries, which see the most keys: the longest first.
// Heads of one cache head have neighbouring numbers, and find its keys in the L2.
__global__ void __launch_bounds__(kPrefillThreads, kPrefillBlocks)
    attention_prefill(AttentionPrefillArgs args) {
  auto& shared = shared_as<PrefillShared>();
  const int all_heads = args.batch * args.heads;
  const int batch = block_index() % all_heads / args.heads, head = block_index() % args.heads;
  const int tile = ceil_div(args.queries, kPrefillQueries) - 1 - block_index() / all_heads;
  const int first_query = tile * kPrefillQueries + warp_index() * 16;
  const int stride = args.heads * kHeadDim;  // from a token to the next
  const std::ptrdiff_t tokens = static_cast<std::ptrdiff_t>(batch) * args.queries * stride;
  const std::ptrdiff_t cache =
      (static_cast<std::ptrdiff_t>(batch) * args.kv_heads + head / (args.heads / args.kv_heads)) *
      args.length * kHeadDim;
  const Bf16* keys = args.keys + cache;
  const Bf16* values = args.values + cache;
  const int before = args.length - args.queries;  // keys that every query sees
  const int last = before + (tile + 1) * kPrefillQueries;
  const int end = last < args.length ? last : args.length;
  const int pieces = ceil_div(end, kPrefillKeys);

  const auto stage = [&](int piece) {
    if (piece < pieces) {
      stage_cache(shared.keys[piece % 2], keys, piece * kPrefillKeys, end);
      stage_cache(shared.values[piece % 2], values, piece * kPrefillKeys, end);
    }
    async_commit();
  };
  stage(0);
  PrefillState state;
  load_queries(state, args.query + tokens + head * kHeadDim, stride, first_query, args.queries);
  for (int piece = 0; piece < pieces; ++piece) {
    async_wait<0>();
    sync_threads();  // this piece is there for all, and all have done with the one refilled next
    stage(piece + 1);
    attend(state, shared.keys[piece % 2], shared.values[piece % 2],
           before + first_query + lane_index() / 4 + 1 - piece * kPrefillKeys);
  }

  MOESIM_UNROLL
  for (int row = 0; row < 2; ++row) {
    float weight = state.weight[row];
    weight += shuffle_xor(weight, 1);
    weight += shuffle_xor(weight, 2);
    MOESIM_UNROLL
    for (int d = 0; d < kHeadDim / 8; d += 4) {
      std::uint32_t pair[4];
      MOESIM_UNROLL
      for (int b = 0; b < 4; ++b) {
        pair[b] =
            pack_bf16(state.sum[d + b][2 * row] / weight, state.sum[d + b][2 * row + 1] / weight);
      }
      store_row_of_32(args.out + tokens, stride, first_query + row * 8 + lane_index() / 4,
                      args.queries, head * kHeadDim + d * 8, pair);
    }
  }
}

template <class Launcher>
void launch_attention_prefill(Launcher& launcher, const AttentionPrefillArgs& args) {
  if (args.batch == 0 || args.queries == 0) return;
  launcher.launch(attention_prefill,
                  args.batch * args.heads * ceil_div(args.queries, kPrefillQueries),
                  kPrefillThreads, shared_bytes<PrefillShared>(), args);
}

}  // namespace moesim::validation::cuda
