// bf16 rows to fp8 (e4m3) with one scale for 128 values of a row: value = code * scale, scale =
// largest magnitude / 448 (DeepSeek-V3 report, 3.3.2). Scales lie [blocks of k][rows], the rows
// padded to a multiple of 4, so that a bulk copy can take a column of them.
#pragma once

#include "validation/cuda/device/numbers.h"
#include "validation/cuda/device/platform.cuh"
#include "validation/cuda/device/warp.cuh"
#include "validation/cuda/kernels/arguments.h"

namespace moesim::validation::cuda {

inline constexpr int kQuantiseWarps = 8;

// One warp takes 128 values, four a lane.
__global__ void __launch_bounds__(kQuantiseWarps* kWarpSize) quantise(QuantiseArgs args) {
  const int blocks = ceil_div(args.k, kScaleBlock);
  const int rows = *args.row_count;
  const auto jobs = static_cast<std::int64_t>(rows) * blocks;
  const auto stride = static_cast<std::int64_t>(grid_size()) * kQuantiseWarps;
  for (auto job = static_cast<std::int64_t>(block_index()) * kQuantiseWarps + warp_index();
       job < jobs; job += stride) {
    const int row = static_cast<int>(job / blocks), block = static_cast<int>(job % blocks);
    const int column = block * kScaleBlock + lane_index() * 4;
    std::uint32_t low = 0, high = 0;
    if (column < args.k) {
      const auto* from = reinterpret_cast<const std::uint32_t*>(
          args.rows + static_cast<std::ptrdiff_t>(row) * args.k + column);
      low = from[0];
      high = from[1];
    }
    const float value[4] = {low_bf16(low), high_bf16(low), low_bf16(high), high_bf16(high)};
    float largest = 0;
    MOESIM_UNROLL
    for (int i = 0; i < 4; ++i) largest = fmaxf(largest, fabsf(value[i]));
    largest = warp_max(largest);
    const float scale = largest > 0 ? largest / kFp8Max : 1.0f;
    const float inverse = 1.0f / scale;
    if (column < args.k_stride) {
      *reinterpret_cast<std::uint32_t*>(args.out +
                                        static_cast<std::ptrdiff_t>(row) * args.k_stride + column) =
          pack_fp8(value[0] * inverse, value[1] * inverse, value[2] * inverse, value[3] * inverse);
    }
    if (lane_index() == 0) {
      args.scales[static_cast<std::ptrdiff_t>(block) * args.scale_stride + row] = scale;
    }
  }
}

template <class Launcher>
void launch_quantise(Launcher& launcher, const QuantiseArgs& args) {
  if (args.most_rows == 0) return;
  const int jobs =
      args.most_rows < 32768 ? args.most_rows * ceil_div(args.k, kScaleBlock) : 1 << 20;
  const int blocks = ceil_div(jobs, kQuantiseWarps);
  launcher.launch(quantise, blocks < 4096 ? blocks : 4096, kQuantiseWarps * kWarpSize, 0, args);
}

}  // namespace moesim::validation::cuda
