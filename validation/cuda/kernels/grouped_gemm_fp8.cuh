// Grouped GEMM in fp8 with block scales (sm_90a): 128 x 128 of the weights, 1 x 128 of the rows.
//
// As grouped_gemm_wgmma, with 128 of k in a stage. The products of one block of k are summed apart
// and added to the tile's sums times both scales, in float: the tensor cores' own fp8 sums keep too
// few bits over a long k (DeepSeek-V3 report, 3.3.2).
#pragma once

#include "validation/cuda/device/tensor_copy.cuh"
#include "validation/cuda/device/warpgroup.cuh"
#include "validation/cuda/kernels/tiles.cuh"

namespace moesim::validation::cuda {

template <int M, int kRing>
struct Fp8Tile {
  static constexpr int kTileRows = M, kBlockM = M < 64 ? 64 : M;  // as in WgmmaTile
  static constexpr int kBlockN = 128, kBlockK = kScaleBlock, kStages = kRing;
  static constexpr int kConsumers = kBlockM / 64;
  static constexpr int kThreads = (kConsumers + 1) * kWarpgroupSize;
  static constexpr int kStageBytes = (kTileRows + kBlockN) * kBlockK + kTileRows * 4;
  static constexpr int kProducerRegisters = 40;
  static constexpr int kConsumerRegisters = 232;

  struct alignas(1024) Shared {
    Fp8 a[kStages][kBlockM * kBlockK];
    Fp8 w[kStages][kBlockN * kBlockK];
    alignas(128) float a_scale[kStages][kBlockM];  // a multiple of 128 bytes each
    Barrier full[kStages];
    Barrier empty[kStages];
    TileTable table;
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
  if (thread_index() == 0) {
    prefetch_map(map_a);
    prefetch_map(map_scales);
    prefetch_map(map_w);
    for (int s = 0; s < T::kStages; ++s) {
      barrier_init(shared.full[s], 1);
      barrier_init(shared.empty[s], T::kConsumers * 4);
    }
    fence_barrier_init();
  }
  make_tile_table<T::kTileRows, T::kBlockN>(shared.table, places.offsets, groups, n);

  TileWalk<T::kTileRows, T::kBlockN> walk(shared.table, groups, n);
  const int steps = ceil_div(k, T::kBlockK);
  const int warpgroup = thread_index() / kWarpgroupSize;
  RingPosition<T::kStages> ring;
  Tile tile;

  if (warpgroup == 0) {
    release_registers<T::kProducerRegisters>();
    if (thread_index() == 0) {
      while (walk.next(tile)) {
        for (int step = 0; step < steps; ++step) {
          barrier_wait(shared.empty[ring.stage], ring.parity ^ 1);
          Barrier& full = shared.full[ring.stage];
          barrier_arrive_expect(full, T::kStageBytes);
          tensor_copy_2d(shared.a[ring.stage], map_a, step * T::kBlockK, tile.row, full);
          tensor_copy_2d(shared.a_scale[ring.stage], map_scales, tile.row, step, full);
          tensor_copy_3d(shared.w[ring.stage], map_w, step * T::kBlockK, tile.column, tile.group,
                         full);
          ring.advance();
        }
      }
    }
  } else {
    take_registers<T::kConsumerRegisters>();
    const int consumer = warpgroup - 1;
    const int lane = lane_index();
    const int my_row = consumer * 64 + warp_index() % 4 * 16 + lane / 4;  // and the one 8 below
    while (walk.next(tile)) {
      const float* weight_scales = places.weight_scales + (static_cast<std::ptrdiff_t>(tile.group) *
                                                               ceil_div(n, kScaleBlock) +
                                                           tile.column / kScaleBlock) *
                                                              steps;
      float sum[T::kBlockN / 2] = {};
      for (int step = 0; step < steps; ++step) {
        const float weight_scale = weight_scales[step];
        barrier_wait(shared.full[ring.stage], ring.parity);
        const float upper_scale = shared.a_scale[ring.stage][my_row] * weight_scale;
        const float lower_scale = shared.a_scale[ring.stage][my_row + 8] * weight_scale;
        const std::uint64_t a =
            operand_descriptor(shared_address(shared.a[ring.stage] + consumer * 64 * T::kBlockK));
        const std::uint64_t w = operand_descriptor(shared_address(shared.w[ring.stage]));
        float block[T::kBlockN / 2];
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
        if (lane == 0) barrier_arrive(shared.empty[ring.stage]);
        MOESIM_UNROLL
        for (int i = 0; i < T::kBlockN / 2; ++i) {
          sum[i] += block[i] * (i % 4 < 2 ? upper_scale : lower_scale);
        }
        ring.advance();
      }

      const int row_end = end_of_tile<T::kTileRows>(tile);
      MOESIM_UNROLL
      for (int upper = 0; upper < 2; ++upper) {
        MOESIM_UNROLL
        for (int j = 0; j < T::kBlockN / 8; j += 4) {
          std::uint32_t pair[4];
          MOESIM_UNROLL
          for (int b = 0; b < 4; ++b) {
            pair[b] = pack_bf16(sum[4 * (j + b) + 2 * upper], sum[4 * (j + b) + 2 * upper + 1]);
          }
          store_row_of_32(places.out, n, tile.row + my_row + upper * 8, row_end,
                          tile.column + j * 8, pair);
        }
      }
    }
  }
}

template <class T, class Launcher>
void launch_grouped_gemm_fp8_tile(Launcher& launcher, const GroupedGemmFp8Args& args) {
  TensorShape a;
  a.base = args.a;
  a.element = TensorElement::Fp8;
  a.rank = 2;
  a.size[0] = static_cast<std::uint64_t>(args.k);
  a.size[1] = static_cast<std::uint64_t>(args.most_rows);
  a.stride[1] = static_cast<std::uint64_t>(args.k_stride);
  a.box[0] = T::kBlockK;
  a.box[1] = T::kTileRows;
  a.swizzle128 = true;
  TensorShape w = a;
  w.base = args.weights;
  w.rank = 3;
  w.size[1] = static_cast<std::uint64_t>(args.n);
  w.size[2] = static_cast<std::uint64_t>(args.groups);
  w.stride[2] = w.stride[1] * w.size[1];
  w.box[1] = T::kBlockN;
  TensorShape scales;
  scales.base = args.a_scales;
  scales.element = TensorElement::Float;
  scales.rank = 2;
  scales.size[0] = static_cast<std::uint64_t>(args.scale_stride);
  scales.size[1] = static_cast<std::uint64_t>(ceil_div(args.k, kScaleBlock));
  scales.stride[1] = scales.size[0] * 4;
  scales.box[0] = T::kTileRows;
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
