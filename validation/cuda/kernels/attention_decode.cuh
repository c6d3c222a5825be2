// Attention of one new token a sequence (decode), bound by reading the cache.
//
// The rows of a tile are the query heads of one cache head, up to 16; missing ones are the last
// again: products cost nothing here. A block takes one part of the cache, each of its warps every
// fourth piece of 16 keys, through a ring of its own that needs no barrier. The warps' findings are
// merged at the end, those of several parts by merge_attention.
#pragma once

#include "validation/cuda/kernels/attention.cuh"

namespace moesim::validation::cuda {

inline constexpr int kDecodeWarps = 4;
inline constexpr int kDecodeThreads = kDecodeWarps * kWarpSize;
inline constexpr int kDecodeBlocks = 2;  // on a multiprocessor
inline constexpr int kDecodeHeads = 16;  // of a block
inline constexpr int kDecodeKeys = 16;   // of a piece
inline constexpr int kDecodeStages = 3;
inline constexpr int kDecodeStride = kHeadDim + 8;   // four rows of sums meet all banks
inline constexpr int kPartialStride = kHeadDim + 2;  // the sum of values, the maximum, the weight
inline constexpr int kMergeWarps = 8;
static_assert(kDecodeThreads == kHeadDim && kMergeWarps * kWarpSize >= kHeadDim);

struct DecodeShared {
  union {
    alignas(16) Bf16 ring[kDecodeWarps][kDecodeStages][2][kDecodeKeys * kHeadDim];
    float sum[kDecodeWarps][kDecodeHeads][kDecodeStride];  // when the ring is done with
  };
  float highest[kDecodeWarps][kDecodeHeads];
  float weight[kDecodeWarps][kDecodeHeads];
};

struct MergeShared {
  float sum[kMergeWarps][kHeadDim];
  float weight[kMergeWarps];
};

// What is left of a sum by the maximum `highest` when the maximum of all is `top`.
__device__ __forceinline__ float share_of_sum(float highest, float top) {
  // Nothing was summed where nothing was seen.
  return highest == -INFINITY ? 0.0f : power_of_two((highest - top) * kScoreScale);
}

// Fragments A of `rows` neighbouring vectors.
__device__ __forceinline__ void load_rows(std::uint32_t (&fragment)[kHeadDim / 16][4],
                                          const Bf16* first, int rows) {
  const int lane = lane_index();
  MOESIM_UNROLL
  for (int upper = 0; upper < 2; ++upper) {
    const int row = upper * 8 + lane / 4;
    const auto* word =
        reinterpret_cast<const std::uint32_t*>(first + (row < rows ? row : rows - 1) * kHeadDim);
    MOESIM_UNROLL
    for (int step = 0; step < kHeadDim / 16; ++step) {
      fragment[step][upper] = word[step * 8 + lane % 4];
      fragment[step][upper + 2] = word[step * 8 + lane % 4 + 4];
    }
  }
}

__device__ __forceinline__ void leave_rows(DecodeShared& shared, const AttentionRows& rows,
                                           int heads) {
  const int lane = lane_index(), warp = warp_index();
  MOESIM_UNROLL
  for (int upper = 0; upper < 2; ++upper) {
    const int row = upper * 8 + lane / 4;
    const float weight = whole_weight(rows, upper);
    if (row >= heads) continue;
    MOESIM_UNROLL
    for (int d = 0; d < kHeadDim / 8; ++d) {
      float* pair = &shared.sum[warp][row][d * 8 + lane % 4 * 2];
      pair[0] = rows.sum[d][2 * upper];
      pair[1] = rows.sum[d][2 * upper + 1];
    }
    if (lane % 4 == 0) {
      shared.highest[warp][row] = rows.highest[upper];
      shared.weight[warp][row] = weight;
    }
  }
}

__global__ void __launch_bounds__(kDecodeThreads, kDecodeBlocks)
    attention_decode(AttentionArgs args) {
  auto& shared = shared_as<DecodeShared>();
  const int share = args.heads / args.kv_heads, parts = ceil_div(share, kDecodeHeads);
  const int part = block_index() % parts;  // the next finds keys and values in the L2
  const int split = block_index() / parts % args.splits;
  const int cache = block_index() / parts / args.splits;  // of all sequences
  const int left_over = share - part * kDecodeHeads;
  const int heads = left_over < kDecodeHeads ? left_over : kDecodeHeads;
  const std::ptrdiff_t first_head =
      static_cast<std::ptrdiff_t>(cache) * share + part * kDecodeHeads;
  const std::ptrdiff_t base = static_cast<std::ptrdiff_t>(cache) * args.length * kHeadDim;
  const int per_split = ceil_div(args.length, args.splits);
  const int begin = split * per_split;
  const int end = begin + per_split < args.length ? begin + per_split : args.length;
  const int warp = warp_index();

  const auto first_key = [&](int i) { return begin + (i * kDecodeWarps + warp) * kDecodeKeys; };
  const auto stage = [&](int i) {
    if (first_key(i) < end) {
      auto& slot = shared.ring[warp][i % kDecodeStages];
      stage_vectors<kDecodeKeys, kWarpSize>(slot[0], args.keys + base, kHeadDim, first_key(i), end,
                                            lane_index());
      stage_vectors<kDecodeKeys, kWarpSize>(slot[1], args.values + base, kHeadDim, first_key(i),
                                            end, lane_index());
    }
    async_commit();  // an empty group keeps the count right
  };
  for (int i = 0; i < kDecodeStages - 1; ++i) stage(i);

  std::uint32_t query[kHeadDim / 16][4];
  load_rows(query, args.query + first_head * kHeadDim, heads);
  const auto load_left = [&](int step, std::uint32_t(&left)[1][4]) {
    MOESIM_UNROLL
    for (int i = 0; i < 4; ++i) left[0][i] = query[step][i];
  };
  AttentionRows rows[1];
  for (int i = 0; first_key(i) < end; ++i) {
    async_wait<kDecodeStages - 2>();
    sync_warp();  // this piece is there for all lanes, and all have done with the one refilled next
    stage(i + kDecodeStages - 1);
    auto& slot = shared.ring[warp][i % kDecodeStages];
    float score[1][kDecodeKeys / 8][4] = {};
    add_scores<1, kDecodeKeys>(score, slot[0], load_left);
    if (end - first_key(i) < kDecodeKeys) hide_keys<kDecodeKeys>(score[0], end - first_key(i), 0);
    weigh<kDecodeKeys>(rows[0], score[0]);
    add_values<1, kDecodeKeys>(rows, score, slot[1]);
  }

  sync_threads();  // all have done with the ring
  leave_rows(shared, rows[0], heads);
  sync_threads();
  const int i = thread_index();
  for (int h = 0; h < heads; ++h) {
    float top = -INFINITY;
    for (int w = 0; w < kDecodeWarps; ++w) top = fmaxf(top, shared.highest[w][h]);
    float value = 0, weight = 0;
    for (int w = 0; w < kDecodeWarps; ++w) {
      const float share_of_warp = share_of_sum(shared.highest[w][h], top);
      value += shared.sum[w][h][i] * share_of_warp;
      weight += shared.weight[w][h] * share_of_warp;
    }
    const std::ptrdiff_t head = first_head + h;
    if (args.splits == 1) {
      args.out[head * kHeadDim + i] = to_bf16(value / weight);
      continue;
    }
    float* partial = args.partial + (head * args.splits + split) * kPartialStride;
    partial[i] = value;
    if (i == 0) {
      partial[kHeadDim] = top;
      partial[kHeadDim + 1] = weight;
    }
  }
}

// A block a head of a sequence, whose warps take the parts in turn.
__global__ void __launch_bounds__(kMergeWarps* kWarpSize) merge_attention(AttentionArgs args) {
  auto& shared = shared_as<MergeShared>();
  const std::ptrdiff_t head = block_index();
  const float* partial = args.partial + head * args.splits * kPartialStride;
  const int lane = lane_index(), warp = warp_index();
  float top = -INFINITY;
  for (int s = lane; s < args.splits; s += kWarpSize) {
    top = fmaxf(top, partial[s * kPartialStride + kHeadDim]);
  }
  top = warp_max(top);
  float sum[kHeadDim / kWarpSize] = {}, weight = 0;
  for (int s = warp; s < args.splits; s += kMergeWarps) {
    const float* part = partial + s * kPartialStride;
    const float share = share_of_sum(part[kHeadDim], top);
    MOESIM_UNROLL
    for (int i = 0; i < kHeadDim / kWarpSize; ++i) sum[i] += part[i * kWarpSize + lane] * share;
    weight += part[kHeadDim + 1] * share;
  }
  MOESIM_UNROLL
  for (int i = 0; i < kHeadDim / kWarpSize; ++i) shared.sum[warp][i * kWarpSize + lane] = sum[i];
  if (lane == 0) shared.weight[warp] = weight;
  sync_threads();  // the warps' sums are there
  const int i = thread_index();
  if (i >= kHeadDim) return;
  float value = 0, total = 0;
  for (int w = 0; w < kMergeWarps; ++w) {
    value += shared.sum[w][i];
    total += shared.weight[w];
  }
  args.out[head * kHeadDim + i] = to_bf16(value / total);
}

template <class Launcher>
void launch_attention_decode(Launcher& launcher, const AttentionArgs& args) {
  if (args.batch == 0) return;
  const int parts = ceil_div(args.heads / args.kv_heads, kDecodeHeads);
  launcher.launch(attention_decode, args.batch * args.kv_heads * parts * args.splits,
                  kDecodeThreads, shared_bytes<DecodeShared>(), args);
  if (args.splits > 1) {
    launcher.launch(merge_attention, args.batch * args.heads, kMergeWarps * kWarpSize,
                    shared_bytes<MergeShared>(), args);
  }
}

}  // namespace moesim::validation::cuda
