// Attention of a prompt, causal and bound by arithmetic.
//
// A block takes 64 or 128 queries of one head, a warp 16 or 32 of them: of 32, a fragment of keys
// or values that is read from shared memory serves twice. Pieces of 64 keys and values come by
// cp.async, the next while this one is at work.
#pragma once

#include "validation/cuda/kernels/attention.cuh"
#include "validation/cuda/kernels/tiles.cuh"

namespace moesim::validation::cuda {

inline constexpr int kPrefillWarps = 4;
inline constexpr int kPrefillThreads = kPrefillWarps * kWarpSize;
inline constexpr int kPrefillKeys = 64;   // of a piece
inline constexpr int kPrefillBlocks = 2;  // on a multiprocessor

template <int kTiles>
struct PrefillShared {
  alignas(16) Bf16 queries[kPrefillWarps * kTiles * 16 * kHeadDim];
  alignas(16) Bf16 keys[2][kPrefillKeys * kHeadDim];
  alignas(16) Bf16 values[2][kPrefillKeys * kHeadDim];
};

struct PrefillPlace {
  std::ptrdiff_t head = 0;  // of the sequence's first token, in values
  int cache = 0;            // the cache head, of all sequences
  int first_query = 0;
};

// Blocks of all heads begin with the last queries, which see the most keys: the longest first.
// Heads of one cache head have neighbouring numbers, and find its keys in the L2.
template <int kOfBlock>
__device__ __forceinline__ PrefillPlace place_of_block(const AttentionPrefillArgs& args,
                                                       int block) {
  const int all_heads = args.batch * args.heads;
  const int batch = block % all_heads / args.heads, head = block % args.heads;
  const std::ptrdiff_t token = static_cast<std::ptrdiff_t>(batch) * args.queries;
  return {(token * args.heads + head) * kHeadDim,
          batch * args.kv_heads + head / (args.heads / args.kv_heads),
          (ceil_div(args.queries, kOfBlock) - 1 - block / all_heads) * kOfBlock};
}

// kTiles: of 16 queries, that a warp has.
template <int kTiles>
__global__ void __launch_bounds__(kPrefillThreads, kPrefillBlocks)
    attention_prefill(AttentionPrefillArgs args) {
  constexpr int kOfWarp = kTiles * 16, kOfBlock = kPrefillWarps * kOfWarp;
  auto& shared = shared_as<PrefillShared<kTiles>>();
  const int my_row = lane_index() / 4;
  const PrefillPlace place = place_of_block<kOfBlock>(args, block_index());
  const int first_query = place.first_query + warp_index() * kOfWarp;
  const int before = args.length - args.queries;  // keys that every query sees
  const int last = before + place.first_query + kOfBlock;
  const int end = last < args.length ? last : args.length;

  const auto stage = [&](int piece) {
    const int first = piece * kPrefillKeys;
    if (first < end) {
      const std::ptrdiff_t cache =
          static_cast<std::ptrdiff_t>(forgotten(place.cache)) * args.length * kHeadDim;
      stage_vectors<kPrefillKeys, kPrefillThreads>(shared.keys[piece % 2], args.keys + cache,
                                                   kHeadDim, first, end, thread_index());
      stage_vectors<kPrefillKeys, kPrefillThreads>(shared.values[piece % 2], args.values + cache,
                                                   kHeadDim, first, end, thread_index());
    }
    async_commit();
  };
  stage_vectors<kOfBlock, kPrefillThreads>(shared.queries, args.query + place.head,
                                           args.heads * kHeadDim, place.first_query, args.queries,
                                           thread_index());
  stage(0);
  const Bf16* queries = shared.queries + warp_index() * kOfWarp * kHeadDim;
  const auto load_left = [&](int step, std::uint32_t(&left)[kTiles][4]) {
    const int lane = forgotten(lane_index());
    MOESIM_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      // Matrices: queries 0-7 and 8-15 of the first eight values, then of the second.
      load_matrices(left[t],
                    queries + t * 16 * kHeadDim + vector_at(lane % 16, step * 2 + lane / 16));
    }
  };

  AttentionRows rows[kTiles];
  for (int piece = 0; piece * kPrefillKeys < end; ++piece) {
    async_wait<0>();
    sync_threads();  // this piece is there for all, and all have done with the one refilled next
    stage(piece + 1);
    float score[kTiles][kPrefillKeys / 8][4] = {};
    add_scores<kTiles, kPrefillKeys>(score, shared.keys[piece % 2], load_left);
    const int seen = before + first_query + 1 - piece * kPrefillKeys;  // by the warp's first query
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
    const bool hides = true;  // without a branch the compiler finds registers for all
#else
    const bool hides = seen < kPrefillKeys;
#endif
    if (hides) {
      MOESIM_UNROLL
      for (int t = 0; t < kTiles; ++t) {
        hide_keys<kPrefillKeys>(score[t], seen + t * 16 + my_row, 8);
      }
    }
    MOESIM_UNROLL
    for (int t = 0; t < kTiles; ++t) weigh<kPrefillKeys>(rows[t], score[t]);
    add_values<kTiles, kPrefillKeys>(rows, score, shared.values[piece % 2]);
  }

  const PrefillPlace mine = place_of_block<kOfBlock>(args, forgotten(block_index()));
  MOESIM_UNROLL
  for (int t = 0; t < kTiles; ++t) {
    MOESIM_UNROLL
    for (int upper = 0; upper < 2; ++upper) {
      const float scale = 1 / whole_weight(rows[t], upper);
      MOESIM_UNROLL
      for (int d = 0; d < kHeadDim / 8; d += 4) {
        std::uint32_t pair[4];
        MOESIM_UNROLL
        for (int b = 0; b < 4; ++b) {
          const float(&sum)[4] = rows[t].sum[d + b];
          pair[b] = pack_bf16(sum[2 * upper] * scale, sum[2 * upper + 1] * scale);
        }
        store_row_of_32(args.out + mine.head, args.heads * kHeadDim,
                        mine.first_query + warp_index() * kOfWarp + t * 16 + upper * 8 + my_row,
                        args.queries, d * 8, pair);
      }
    }
  }
}

// 32 queries a warp where that leaves nearly two blocks for every multiprocessor, each as long as
// the longest: of q queries that see up to l keys the mean is l - q / 2.
template <class Launcher>
void launch_attention_prefill(Launcher& launcher, const AttentionPrefillArgs& args) {
  if (args.batch == 0 || args.queries == 0) return;
  const auto blocks = [&](int queries) {
    return args.batch * args.heads * ceil_div(args.queries, queries);
  };
  const double longest = blocks(128) * (1 - args.queries / (2.0 * args.length));
  if (args.queries > 64 && longest >= 1.75 * launcher.multiprocessors()) {
    launcher.launch(attention_prefill<2>, blocks(128), kPrefillThreads,
                    shared_bytes<PrefillShared<2>>(), args);
  } else {
    launcher.launch(attention_prefill<1>, blocks(64), kPrefillThreads,
                    shared_bytes<PrefillShared<1>>(), args);
  }
}

}  // namespace moesim::validation::cuda
