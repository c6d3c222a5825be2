// Grouped GEMM in fp8 with block scales (sm_90a): 128 x 128 of the weights, 1 x 128 of the rows.
//
// The ring of hopper_tile.cuh with 128 of k in a stage, and the scales of the tile's rows. The
// products of one block of k are summed apart and added to the tile's sums times both scales, in
// float: the tensor cores' own fp8 sums keep too few bits over a long k (DeepSeek-V3
// report, 3.3.2). A group may begin at any row, and a box only at a multiple of 16 bytes: the box
// of scales begins up to three rows before the tile and has as many more.
#pragma once

#include "validation/cuda/kernels/hopper_tile.cuh"

namespace moesim::validation::cuda {

inline constexpr int kScalesAligned = 4;  // floats in 16 bytes

template <int M, int kRing>
struct Fp8Tile : HopperTile<M, 128, kScaleBlock, kRing> {
  using Base = HopperTile<M, 128, kScaleBlock, kRing>;
  static constexpr int kTileRows = Base::kTileRows, kBlockN = Base::kBlockN;
  static constexpr int kBlockM = Base::kBlockM, kBlockK = Base::kBlockK;
  static constexpr int kScales = kTileRows + kScalesAligned;
  static constexpr int kStageBytes = (kTileRows + kBlockN) * kBlockK + kScales * 4;

  struct alignas(1024) Shared {
    Fp8 a[kRing][kBlockM * kBlockK];
    Fp8 w[kRing][kBlockN * kBlockK];
    alignas(128) float a_scale[kRing][kBlockM + 32];  // a multiple of 128 bytes each
    typename Base::Ring ring;
  };
  static_assert(sizeof(Shared) + 1024 <= 227 * 1024);
};

using Fp8TileLarge = Fp8Tile<128, 6>;
using Fp8TileSmall = Fp8Tile<64, 8>;
using Fp8TileTiny = Fp8Tile<16, 8>;

struct Fp8Places {  // what is not in a tensor map
  const float* weight_scales;
  Bf16* out;
  const int* offsets;
};

template <class T>
__global__ void __launch_bounds__(T::kThreads, 1)
    grouped_gemm_fp8(const __grid_constant__ TensorMap map_a,
                     const __grid_constant__ TensorMap map_scales,
                     const __grid_constant__ TensorMap map_w, Fp8Places places, int groups, int n,
                     int k) {
  auto& shared = shared_as<typename T::Shared>();
  auto& ring = shared.ring;
  if (thread_index() == 0) {
    prefetch_map(map_a);
    prefetch_map(map_scales);
    prefetch_map(map_w);
  }
  make_ring<T>(ring, places.offsets, groups, n);
  typename T::Walk walk(ring.table, groups, n);
  const int steps = ceil_div(k, T::kBlockK);

  if (thread_index() < kWarpgroupSize) {
    fill_ring<T>(ring, walk, steps, [&](int stage, int step, const Tile& tile, Barrier& full) {
      tensor_copy_2d(shared.a[stage], map_a, step * T::kBlockK, tile.row, full);
      tensor_copy_2d(shared.a_scale[stage], map_scales, tile.row & -kScalesAligned, step, full);
      tensor_copy_3d(shared.w[stage], map_w, step * T::kBlockK, tile.column, tile.group, full);
    });
    return;
  }
  take_registers<T::kConsumerRegisters>();
  RingPosition<T::kStages> at;
  Tile tile;
  while (walk.next(tile)) {
    const int my_scale = row_of_sums() + tile.row % kScalesAligned;
    const float* weight_scales =
        places.weight_scales + (static_cast<std::ptrdiff_t>(tile.group) * ceil_div(n, kScaleBlock) +
                                tile.column / kScaleBlock) *
                                   steps;
    typename T::Sums sum = {};
    for (int step = 0; step < steps; ++step) {
      const float weight_scale = weight_scales[step];
      barrier_wait(ring.full[at.stage], at.parity);
      const float upper_scale = shared.a_scale[at.stage][my_scale] * weight_scale;
      const float lower_scale = shared.a_scale[at.stage][my_scale + 8] * weight_scale;
      const std::uint64_t a = operand_descriptor(
          shared_address(shared.a[at.stage] + consumer_index() * 64 * T::kBlockK));
      const std::uint64_t w = operand_descriptor(shared_address(shared.w[at.stage]));
      typename T::Sums block;
      pin_sums(block);
      warpgroup_fence();
      MOESIM_UNROLL
      for (int i = 0; i < T::kBlockK / 32; ++i) {
        product_fp8(block, along_k(a, i), along_k(w, i), i > 0);
      }
      warpgroup_commit();
      warpgroup_wait<0>();
      pin_sums(block);
      sync_warp();  // all lanes have read their scales
      if (lane_index() == 0) barrier_arrive(ring.empty[at.stage]);
      MOESIM_UNROLL
      for (int i = 0; i < T::kBlockN / 2; ++i) {
        sum[i] += block[i] * (i % 4 < 2 ? upper_scale : lower_scale);
      }
      at.advance();
    }
    store_sums<T>(sum, places.out, n, tile);
  }
}

template <class T, class Launcher>
void launch_grouped_gemm_fp8_tile(Launcher& launcher, const GroupedGemmFp8Args& args) {
  const TensorShape a = shape_of_rows<T>(args.a, TensorElement::Fp8, args.k, args.most_rows,
                                         static_cast<std::uint64_t>(args.k_stride));
  const TensorShape w = shape_of_weights<T>(a, args.weights, args.groups, args.n);
  TensorShape scales;
  scales.base = args.a_scales;
  scales.element = TensorElement::Float;
  scales.rank = 2;
  scales.size[0] = static_cast<std::uint64_t>(args.scale_stride);
  scales.size[1] = static_cast<std::uint64_t>(ceil_div(args.k, kScaleBlock));
  scales.stride[1] = scales.size[0] * 4;
  scales.box[0] = T::kScales;
  scales.box[1] = 1;
  const long long most_tiles = most_tiles_of<T::kTileRows, T::kBlockN>(args);
  const std::size_t shared = shared_bytes<typename T::Shared>();
  const int grid = launcher.persistent_grid(grouped_gemm_fp8<T>, T::kThreads, shared, most_tiles);
  launcher.launch(grouped_gemm_fp8<T>, grid, T::kThreads, shared, launcher.tensor_map(a),
                  launcher.tensor_map(scales), launcher.tensor_map(w),
                  Fp8Places{args.weight_scales, args.out, args.offsets}, args.groups, args.n,
                  args.k);
}

template <class Launcher>
void launch_grouped_gemm_fp8(Launcher& launcher, const GroupedGemmFp8Args& args) {
  if (args.most_rows == 0) return;
  if (args.expected_rows <= 16) {
    launch_grouped_gemm_fp8_tile<Fp8TileTiny>(launcher, args);
  } else if (args.expected_rows <= 64 ||
             likely_tiles<128, 128>(args) < launcher.multiprocessors()) {
    launch_grouped_gemm_fp8_tile<Fp8TileSmall>(launcher, args);
  } else {
    launch_grouped_gemm_fp8_tile<Fp8TileLarge>(launcher, args);
  }
}

}  // namespace moesim::validation::cuda
