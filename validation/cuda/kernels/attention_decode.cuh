// Attention of one new token a sequence (decode), bound by reading the cache: softmax(q K^T /
// sqrt(d)) V for all the heads that share a cache head, in one pass with a running maximum.
//
// A block takes one part of one cache head. Eight lanes hold one key (16 of 128 values each), so a
// warp looks at four keys at a time. What the blocks found is merged by merge_attention.
#pragma once

#include <cmath>
#include <type_traits>

#include "validation/cuda/device/platform.cuh"
#include "validation/cuda/device/warp.cuh"
#include "validation/cuda/kernels/arguments.h"

namespace moesim::validation::cuda {

inline constexpr int kHeadDim = 128;
inline constexpr int kAttentionWarps = 4;
inline constexpr int kAttentionThreads = kAttentionWarps * kWarpSize;
inline constexpr int kPartialStride = kHeadDim + 2;  // the sum of values, the maximum, the weight

template <int kGroup>
struct AttentionShared {
  float sum[kAttentionWarps][kGroup][kHeadDim];
  float highest[kAttentionWarps][kGroup];
  float weight[kAttentionWarps][kGroup];
};

__device__ __forceinline__ void unpack16(const Bf16* from, float (&to)[16]) {
  const auto* piece = reinterpret_cast<const Vector16*>(from);
  MOESIM_UNROLL
  for (int p = 0; p < 2; ++p) {
    const Vector16 v = piece[p];
    MOESIM_UNROLL
    for (int i = 0; i < 4; ++i) {
      to[8 * p + 2 * i] = low_bf16(v.word[i]);
      to[8 * p + 2 * i + 1] = high_bf16(v.word[i]);
    }
  }
}

// kGroup: query heads that a block takes. Where a cache head has more, blocks with neighbouring
// numbers take the rest and find its keys and values in the L2; more in one block would not fit its
// registers.
template <int kGroup>
__global__ void __launch_bounds__(kAttentionThreads) attention_decode(AttentionArgs args) {
  auto& shared = shared_as<AttentionShared<kGroup>>();
  const int parts = args.heads / args.kv_heads / kGroup;
  const int part = block_index() % parts;
  const int split = block_index() / parts % args.splits;
  const int cache = block_index() / parts / args.splits;  // batch and cache head
  const int batch = cache / args.kv_heads, kv_head = cache % args.kv_heads;
  const int first_head = (kv_head * parts + part) * kGroup;
  const int lane = lane_index(), warp = warp_index();
  const int eighth = lane % 8, key_of_four = lane / 8;
  const std::ptrdiff_t base = static_cast<std::ptrdiff_t>(cache) * args.length * kHeadDim;
  const int per_split = ceil_div(args.length, args.splits);
  const int begin = split * per_split;
  const int end = begin + per_split < args.length ? begin + per_split : args.length;

  // log2(e) / sqrt(d): the exponentials are powers of two.
  const float scale = 1.4426950f / sqrtf(static_cast<float>(kHeadDim));
  float query[kGroup][16];
  float sum[kGroup][16] = {};
  float highest[kGroup], weight[kGroup];
  MOESIM_UNROLL
  for (int h = 0; h < kGroup; ++h) {
    unpack16(args.query +
                 (static_cast<std::ptrdiff_t>(batch) * args.heads + first_head + h) * kHeadDim +
                 eighth * 16,
             query[h]);
    highest[h] = -INFINITY;
    weight[h] = 0;
  }

  for (int four = begin + warp * 4; four < end; four += kAttentionWarps * 4) {
    const int key = four + key_of_four;
    const bool real = key < end;
    const std::ptrdiff_t place =
        base + static_cast<std::ptrdiff_t>(real ? key : begin) * kHeadDim + eighth * 16;
    float k[16], v[16];
    unpack16(args.keys + place, k);
    unpack16(args.values + place, v);
    MOESIM_UNROLL
    for (int h = 0; h < kGroup; ++h) {
      float dot = 0;
      MOESIM_UNROLL
      for (int i = 0; i < 16; ++i) dot += query[h][i] * k[i];
      MOESIM_UNROLL
      for (int mask = 4; mask > 0; mask /= 2) dot += shuffle_xor(dot, mask);
      const float score = real ? dot * scale : -INFINITY;
      const float now = fmaxf(highest[h], score);
      // Before its first key a lane has -inf on both sides: keep its nothing.
      const float keep = now == -INFINITY ? 1.0f : exp2f(highest[h] - now);
      const float mine = now == -INFINITY ? 0.0f : exp2f(score - now);
      highest[h] = now;
      weight[h] = weight[h] * keep + mine;
      MOESIM_UNROLL
      for (int i = 0; i < 16; ++i) sum[h][i] = sum[h][i] * keep + mine * v[i];
    }
  }

  // The four keys of a warp, then the warps of the block.
  MOESIM_UNROLL
  for (int h = 0; h < kGroup; ++h) {
    float top = highest[h];
    MOESIM_UNROLL
    for (int mask = 8; mask < kWarpSize; mask *= 2) top = fmaxf(top, shuffle_xor(top, mask));
    const float keep = highest[h] == -INFINITY ? 0.0f : exp2f(highest[h] - top);
    float total = weight[h] * keep;
    MOESIM_UNROLL
    for (int mask = 8; mask < kWarpSize; mask *= 2) total += shuffle_xor(total, mask);
    MOESIM_UNROLL
    for (int i = 0; i < 16; ++i) {
      float value = sum[h][i] * keep;
      MOESIM_UNROLL
      for (int mask = 8; mask < kWarpSize; mask *= 2) value += shuffle_xor(value, mask);
      if (key_of_four == 0) shared.sum[warp][h][eighth * 16 + i] = value;
    }
    if (lane == 0) {
      shared.highest[warp][h] = top;
      shared.weight[warp][h] = total;
    }
  }
  sync_threads();
  for (int job = thread_index(); job < kGroup * kHeadDim; job += kAttentionThreads) {
    const int h = job / kHeadDim, i = job % kHeadDim;
    float top = -INFINITY;
    for (int w = 0; w < kAttentionWarps; ++w) top = fmaxf(top, shared.highest[w][h]);
    float value = 0, total = 0;
    for (int w = 0; w < kAttentionWarps; ++w) {
      const float keep =
          shared.highest[w][h] == -INFINITY ? 0.0f : exp2f(shared.highest[w][h] - top);
      value += shared.sum[w][h][i] * keep;
      total += shared.weight[w][h] * keep;
    }
    float* partial =
        args.partial +
        ((static_cast<std::ptrdiff_t>(batch) * args.heads + first_head + h) * args.splits + split) *
            kPartialStride;
    partial[i] = value;
    if (i == 0) {
      partial[kHeadDim] = top;
      partial[kHeadDim + 1] = total;
    }
  }
}

// One block of kHeadDim threads a head of a sequence.
__global__ void __launch_bounds__(kHeadDim) merge_attention(AttentionArgs args) {
  const std::ptrdiff_t head = static_cast<std::ptrdiff_t>(block_index());
  const float* partial = args.partial + head * args.splits * kPartialStride;
  float top = -INFINITY;
  for (int s = 0; s < args.splits; ++s) top = fmaxf(top, partial[s * kPartialStride + kHeadDim]);
  float value = 0, total = 0;
  for (int s = 0; s < args.splits; ++s) {
    const float* part = partial + s * kPartialStride;
    const float keep = part[kHeadDim] == -INFINITY ? 0.0f : exp2f(part[kHeadDim] - top);
    value += part[thread_index()] * keep;
    total += part[kHeadDim + 1] * keep;
  }
  args.out[head * kHeadDim + thread_index()] = to_bf16(value / total);
}

template <class Launcher>
void launch_attention_decode(Launcher& launcher, const AttentionArgs& args) {
  const int share = args.heads / args.kv_heads;  // query heads a cache head
  if (args.batch == 0) return;
  const auto go = [&]<int kGroup>(std::integral_constant<int, kGroup>) {
    launcher.launch(attention_decode<kGroup>, args.batch * args.heads / kGroup * args.splits,
                    kAttentionThreads, shared_bytes<AttentionShared<kGroup>>(), args);
  };
  if (share % 4 == 0) {
    go(std::integral_constant<int, 4>{});
  } else if (share % 2 == 0) {
    go(std::integral_constant<int, 2>{});
  } else {
    go(std::integral_constant<int, 1>{});
  }
  launcher.launch(merge_attention, args.batch * args.heads, kHeadDim, 0, args);
}

}  // namespace moesim::validation::cuda
