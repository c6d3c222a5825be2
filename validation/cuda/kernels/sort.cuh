// Sorts the selections (token, k) by expert: where each goes, and where each expert's rows begin.
// The order within an expert is that of the selections, whatever the threads do: three kernels.
//   count_selections   how many of each expert in each chunk of selections
//   scan_counts        where each expert begins; where in it each chunk begins
//   place_selections   the row of each selection
// Experts outside [first, first + experts) live elsewhere: their selections get row -1.
#pragma once

#include "validation/cuda/device/platform.cuh"
#include "validation/cuda/device/warp.cuh"
#include "validation/cuda/kernels/arguments.h"

namespace moesim::validation::cuda {

inline constexpr int kSortWarps = 8;
inline constexpr int kSortThreads = kSortWarps * kWarpSize;
inline constexpr int kSelectionsPerWarp = kSelectionsPerChunk / kSortWarps;

__host__ __device__ inline int selections_of(const SortArgs& args) {
  return args.tokens * args.top_k;
}
__host__ __device__ inline int chunks_of(const SortArgs& args) {
  return ceil_div(selections_of(args), kSelectionsPerChunk);
}

struct SortShared {
  int count[kSortWarps][kMaxExperts];
};

// The local expert of a selection, or -1.
__device__ __forceinline__ int local_expert(const SortArgs& args, int selection) {
  if (selection >= selections_of(args)) return -1;
  const int expert = args.ids[selection] - args.first;
  return expert >= 0 && expert < args.experts ? expert : -1;
}

__device__ __forceinline__ int first_selection() {
  return block_index() * kSelectionsPerChunk + warp_index() * kSelectionsPerWarp;
}

// Counts the warp's selections by expert. The first of the lanes with an expert adds for all.
__device__ __forceinline__ void count_warp(const SortArgs& args, SortShared& shared) {
  const int warp = warp_index(), lane = lane_index();
  for (int e = lane; e < args.experts; e += kWarpSize) shared.count[warp][e] = 0;
  sync_warp();
  for (int i = 0; i < kSelectionsPerWarp; i += kWarpSize) {
    const int expert = local_expert(args, first_selection() + i + lane);
    const unsigned same = match_any(expert);
    const int before = count_bits(same & ((1u << lane) - 1u));
    if (expert >= 0 && before == 0) shared.count[warp][expert] += count_bits(same);
    sync_warp();
  }
}

__global__ void __launch_bounds__(kSortThreads) count_selections(SortArgs args) {
  auto& shared = shared_as<SortShared>();
  count_warp(args, shared);
  sync_threads();
  for (int e = thread_index(); e < args.experts; e += kSortThreads) {
    int sum = 0;
    for (int warp = 0; warp < kSortWarps; ++warp) sum += shared.count[warp][e];
    args.chunk_counts[static_cast<std::ptrdiff_t>(block_index()) * args.experts + e] = sum;
  }
}

struct ScanShared {
  int total[kMaxExperts];
  int warp_total[kMaxExperts / kWarpSize];
};

// One block of kMaxExperts threads, one an expert.
__global__ void __launch_bounds__(kMaxExperts) scan_counts(SortArgs args) {
  auto& shared = shared_as<ScanShared>();
  const int expert = thread_index();
  const bool real = expert < args.experts;
  int total = 0;
  if (real) {
    for (int chunk = 0; chunk < chunks_of(args); ++chunk) {
      total += args.chunk_counts[static_cast<std::ptrdiff_t>(chunk) * args.experts + expert];
    }
  }
  const int inclusive = warp_prefix_sum(total);
  if (lane_index() == kWarpSize - 1) shared.warp_total[warp_index()] = inclusive;
  sync_threads();
  int begin = inclusive - total;
  for (int warp = 0; warp < warp_index(); ++warp) begin += shared.warp_total[warp];
  if (!real) return;
  args.offsets[expert] = begin;
  if (expert == args.experts - 1) args.offsets[args.experts] = begin + total;
  int next = begin;
  for (int chunk = 0; chunk < chunks_of(args); ++chunk) {
    int& count = args.chunk_counts[static_cast<std::ptrdiff_t>(chunk) * args.experts + expert];
    const int here = count;
    count = next;
    next += here;
  }
}

__global__ void __launch_bounds__(kSortThreads) place_selections(SortArgs args) {
  auto& shared = shared_as<SortShared>();
  const int warp = warp_index(), lane = lane_index();
  count_warp(args, shared);
  sync_threads();
  for (int e = thread_index(); e < args.experts; e += kSortThreads) {
    int next = args.chunk_counts[static_cast<std::ptrdiff_t>(block_index()) * args.experts + e];
    for (int w = 0; w < kSortWarps; ++w) {
      const int here = shared.count[w][e];
      shared.count[w][e] = next;
      next += here;
    }
  }
  sync_threads();
  for (int i = 0; i < kSelectionsPerWarp; i += kWarpSize) {
    const int selection = first_selection() + i + lane;
    const int expert = local_expert(args, selection);
    const unsigned same = match_any(expert);
    const int before = count_bits(same & ((1u << lane) - 1u));
    const int row = expert >= 0 ? shared.count[warp][expert] + before : -1;
    sync_warp();  // all have read before the first moves it on
    if (expert >= 0 && before == 0) shared.count[warp][expert] += count_bits(same);
    sync_warp();
    if (selection < selections_of(args)) {
      args.row_of[selection] = row;
      if (row >= 0) args.token_of[row] = selection / args.top_k;
    }
  }
}

template <class Launcher>
void launch_sort(Launcher& launcher, const SortArgs& args) {
  const int chunks = chunks_of(args);
  if (chunks > 0) {
    launcher.launch(count_selections, chunks, kSortThreads, shared_bytes<SortShared>(), args);
  }
  launcher.launch(scan_counts, 1, kMaxExperts, shared_bytes<ScanShared>(), args);
  if (chunks > 0) {
    launcher.launch(place_selections, chunks, kSortThreads, shared_bytes<SortShared>(), args);
  }
}

}  // namespace moesim::validation::cuda
