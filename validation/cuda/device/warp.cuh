// What the 32 lanes of a warp do together. Every function is called by all lanes.
#pragma once

#include <cstring>

#include "validation/cuda/device/platform.cuh"

namespace moesim::validation::cuda {

#ifdef __CUDACC__

template <class T>
__device__ __forceinline__ T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(kAllLanes, value, mask);
}
template <class T>
__device__ __forceinline__ T shuffle_up(T value, int delta) {  // lanes below delta keep theirs
  return __shfl_up_sync(kAllLanes, value, static_cast<unsigned>(delta));
}
template <class T>
__device__ __forceinline__ T shuffle(T value, int lane) {
  return __shfl_sync(kAllLanes, value, lane);
}
// The lanes that hold the same value.
__device__ __forceinline__ unsigned match_any(int value) {
  return __match_any_sync(kAllLanes, value);
}
__device__ __forceinline__ void sync_warp() {
  __syncwarp();
}
__device__ __forceinline__ int count_bits(unsigned x) {
  return __popc(x);
}

#else

template <class T>
T lane_value(const std::byte* slots, int lane) {
  T value;
  std::memcpy(&value, slots + static_cast<std::size_t>(lane) * sizeof(T), sizeof(T));
  return value;
}
template <class T>
T shuffle_xor(T value, int mask) {
  const int lane = emulation::thread_index() % kWarpSize;
  return lane_value<T>(emulation::warp_exchange(&value, sizeof value), lane ^ mask);
}
template <class T>
T shuffle_up(T value, int delta) {
  const int lane = emulation::thread_index() % kWarpSize;
  return lane_value<T>(emulation::warp_exchange(&value, sizeof value),
                       lane < delta ? lane : lane - delta);
}
template <class T>
T shuffle(T value, int lane) {
  return lane_value<T>(emulation::warp_exchange(&value, sizeof value), lane);
}
inline unsigned match_any(int value) {
  const std::byte* slots = emulation::warp_exchange(&value, sizeof value);
  unsigned same = 0;
  for (int lane = 0; lane < kWarpSize; ++lane) {
    if (lane_value<int>(slots, lane) == value) same |= 1u << lane;
  }
  return same;
}
inline void sync_warp() {
  const char nothing = 0;
  emulation::warp_exchange(&nothing, 1);
}
inline int count_bits(unsigned x) {
  return __builtin_popcount(x);
}

#endif

__device__ __forceinline__ float warp_sum(float value) {
  MOESIM_UNROLL
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

__device__ __forceinline__ float warp_max(float value) {
  MOESIM_UNROLL
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
    const float other = shuffle_xor(value, mask);
    value = other > value ? other : value;
  }
  return value;
}

// The sum over the lanes up to and including this one.
__device__ __forceinline__ int warp_prefix_sum(int value) {
  MOESIM_UNROLL
  for (int delta = 1; delta < kWarpSize; delta *= 2) {
    const int below = shuffle_up(value, delta);
    if (lane_index() >= delta) value += below;
  }
  return value;
}

// Turns a 4 x 4 matrix of words whose column i lane i of each four lanes holds: before, lane i has
// word i of four pieces; after, lane i has piece i whole. So four 4-byte stores become one of 16.
__device__ __forceinline__ void quad_transpose(std::uint32_t (&piece)[4]) {
  MOESIM_UNROLL
  for (int step = 1; step <= 2; step *= 2) {
    const bool upper = (lane_index() & step) != 0;
    MOESIM_UNROLL
    for (int first = 0; first < 4; ++first) {
      if ((first & step) != 0) continue;
      const std::uint32_t away = upper ? piece[first] : piece[first + step];
      const std::uint32_t come = shuffle_xor(away, step);
      if (upper) {
        piece[first] = come;
      } else {
        piece[first + step] = come;
      }
    }
  }
}

}  // namespace moesim::validation::cuda
