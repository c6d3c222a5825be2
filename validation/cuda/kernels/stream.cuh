// What the memory can do: copy, read, fill with values that look normal, and look for what was left
// unwritten. And a kernel that does nothing.
#pragma once

#include "validation/cuda/device/numbers.h"
#include "validation/cuda/device/platform.cuh"
#include "validation/cuda/device/warp.cuh"
#include "validation/cuda/kernels/arguments.h"

namespace moesim::validation::cuda {

inline constexpr int kStreamThreads = 256;
inline constexpr int kStreamUnroll = 4;  // independent loads under way in a thread

__global__ void empty_kernel(int) {}

__global__ void __launch_bounds__(kStreamThreads) stream_copy(StreamArgs args) {
  constexpr int kTile = kStreamThreads * kStreamUnroll;
  for (std::int64_t tile = block_index(); tile * kTile < args.count; tile += grid_size()) {
    const std::int64_t first = tile * kTile + thread_index();
    Vector16 piece[kStreamUnroll];
    MOESIM_UNROLL
    for (int i = 0; i < kStreamUnroll; ++i) {
      const std::int64_t at = first + i * kStreamThreads;
      if (at < args.count) piece[i] = args.from[at];
    }
    MOESIM_UNROLL
    for (int i = 0; i < kStreamUnroll; ++i) {
      const std::int64_t at = first + i * kStreamThreads;
      if (at < args.count) args.to[at] = piece[i];
    }
  }
}

__global__ void __launch_bounds__(kStreamThreads) stream_read(StreamArgs args) {
  constexpr int kTile = kStreamThreads * kStreamUnroll;
  std::uint32_t mixed = 0;
  for (std::int64_t tile = block_index(); tile * kTile < args.count; tile += grid_size()) {
    const std::int64_t first = tile * kTile + thread_index();
    Vector16 piece[kStreamUnroll] = {};
    MOESIM_UNROLL
    for (int i = 0; i < kStreamUnroll; ++i) {
      const std::int64_t at = first + i * kStreamThreads;
      if (at < args.count) piece[i] = args.from[at];
    }
    MOESIM_UNROLL
    for (int i = 0; i < kStreamUnroll; ++i) {
      mixed ^= piece[i].word[0] ^ piece[i].word[1] ^ piece[i].word[2] ^ piece[i].word[3];
    }
  }
  reinterpret_cast<std::uint32_t*>(args.to)[block_index() * kStreamThreads + thread_index()] =
      mixed;
}

__global__ void __launch_bounds__(kStreamThreads) fill_normal(FillArgs args) {
  const std::int64_t step = static_cast<std::int64_t>(grid_size()) * kStreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(block_index()) * kStreamThreads + thread_index();
       i < args.count; i += step) {
    const float value =
        args.shift + args.scale * hash_normal(args.seed, static_cast<std::uint64_t>(i));
    if (args.as == Filling::Bf16) {
      static_cast<Bf16*>(args.to)[i] = to_bf16(value);
    } else if (args.as == Filling::Float) {
      static_cast<float*>(args.to)[i] = value;
    } else {
      static_cast<Fp8*>(args.to)[i] = to_fp8(value);
    }
  }
}

__global__ void __launch_bounds__(kStreamThreads) count_nan(CountNanArgs args) {
  const std::int64_t step = static_cast<std::int64_t>(grid_size()) * kStreamThreads;
  unsigned long long mine = 0;
  for (std::int64_t i = static_cast<std::int64_t>(block_index()) * kStreamThreads + thread_index();
       i < args.count; i += step) {
    if ((args.values[i].bits & 0x7fffu) > 0x7f80u) ++mine;
  }
  if (mine > 0) atomic_add(args.nans, mine);
}

inline constexpr int kMostStreamBlocks = kReadResultWords / kStreamThreads;

inline int stream_grid(std::int64_t items_of_block_size) {
  const std::int64_t blocks = (items_of_block_size + kStreamThreads - 1) / kStreamThreads;
  return static_cast<int>(blocks < 1 ? 1 : blocks < kMostStreamBlocks ? blocks : kMostStreamBlocks);
}

template <class Launcher>
void launch_empty(Launcher& launcher, int blocks) {
  launcher.launch(empty_kernel, blocks, kWarpSize, 0, 0);
}
template <class Launcher>
void launch_copy(Launcher& launcher, const StreamArgs& args) {
  launcher.launch(stream_copy, stream_grid(args.count / kStreamUnroll), kStreamThreads, 0, args);
}
template <class Launcher>
void launch_read(Launcher& launcher, const StreamArgs& args) {
  launcher.launch(stream_read, stream_grid(args.count / kStreamUnroll), kStreamThreads, 0, args);
}
template <class Launcher>
void launch_fill(Launcher& launcher, const FillArgs& args) {
  launcher.launch(fill_normal, stream_grid(args.count), kStreamThreads, 0, args);
}
template <class Launcher>
void launch_count_nan(Launcher& launcher, const CountNanArgs& args) {
  launcher.launch(count_nan, stream_grid(args.count), kStreamThreads, 0, args);
}

}  // namespace moesim::validation::cuda
