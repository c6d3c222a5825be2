// Grouped GEMM in bf16 on Hopper's own instructions (sm_90a): bulk tensor copies into a ring of
// stages guarded by mbarriers, wgmma on what has arrived.
//
// The first warpgroup asks for copies and gives its registers away; each of the others has 64 rows
// of the tile. A stage is `full` when its bytes are in and `empty` when every consuming warp has
// said so. Rows of a tile that belong to the next group are computed and not stored; columns and k
// beyond the matrix arrive as zeros, for W lies in a map of three directions.
#pragma once

#include "validation/cuda/device/tensor_copy.cuh"
#include "validation/cuda/device/warpgroup.cuh"
#include "validation/cuda/kernels/tiles.cuh"

namespace moesim::validation::cuda {

// A tile of fewer than 64 rows brings only those: the instruction computes 64, and what it makes of
// the rest of the stage is not stored. For few rows a group, where every byte counts.
template <int M, int N, int kRing>
struct WgmmaTile {
  static constexpr int kTileRows = M, kBlockM = M < 64 ? 64 : M;
  static constexpr int kBlockN = N, kBlockK = 64, kStages = kRing;
  static constexpr int kConsumers = kBlockM / 64;  // warpgroups
  static constexpr int kThreads = (kConsumers + 1) * kWarpgroupSize;
  static constexpr int kStageBytes = (kTileRows + kBlockN) * kBlockK * 2;
  // At the start every thread has the same number; together they stay within 65,536.
  static constexpr int kProducerRegisters = 40;
  static constexpr int kConsumerRegisters = 232;
  static_assert(kBlockM % 64 == 0 && kTileRows % 8 == 0 && kBlockK * 2 == 128);

  struct alignas(1024) Shared {
    Bf16 a[kStages][kBlockM * kBlockK];  // each stage a multiple of 1024 bytes
    Bf16 w[kStages][kBlockN * kBlockK];
    Barrier full[kStages];
    Barrier empty[kStages];
    TileTable table;
  };
  static_assert(sizeof(Shared) + 1024 <= 227 * 1024);
};

using WgmmaTileLarge = WgmmaTile<128, 256, 4>;
using WgmmaTileMedium = WgmmaTile<128, 128, 6>;
using WgmmaTileSmall = WgmmaTile<64, 128, 8>;
using WgmmaTileTiny = WgmmaTile<16, 128, 8>;

template <class T>
__global__ void __launch_bounds__(T::kThreads, 1)
    grouped_gemm_wgmma(const __grid_constant__ TensorMap map_a,
                       const __grid_constant__ TensorMap map_w, Bf16* out, const int* offsets,
                       int groups, int n, int k) {
  auto& shared = shared_as<typename T::Shared>();
  if (thread_index() == 0) {
    prefetch_map(map_a);
    prefetch_map(map_w);
    for (int s = 0; s < T::kStages; ++s) {
      barrier_init(shared.full[s], 1);
      barrier_init(shared.empty[s], T::kConsumers * 4);  // one for each consuming warp
    }
    fence_barrier_init();
  }
  make_tile_table<T::kTileRows, T::kBlockN>(shared.table, offsets, groups, n);  // and a barrier

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
    while (walk.next(tile)) {
      float sum[T::kBlockN / 2];
      int previous = 0;
      for (int step = 0; step < steps; ++step) {
        barrier_wait(shared.full[ring.stage], ring.parity);
        const std::uint64_t a =
            operand_descriptor(shared_address(shared.a[ring.stage] + consumer * 64 * T::kBlockK));
        const std::uint64_t w = operand_descriptor(shared_address(shared.w[ring.stage]));
        pin_sums(sum);
        warpgroup_fence();
        MOESIM_UNROLL
        for (int i = 0; i < T::kBlockK / 16; ++i) {
          product_bf16(sum, along_k(a, i), along_k(w, i), step > 0 || i > 0);
        }
        warpgroup_commit();
        // The products of the step before are done: its stage can be filled again.
        warpgroup_wait<1>();
        if (step > 0 && lane == 0) barrier_arrive(shared.empty[previous]);
        previous = ring.stage;
        ring.advance();
      }
      warpgroup_wait<0>();
      pin_sums(sum);
      if (lane == 0) barrier_arrive(shared.empty[previous]);

      const int row_end = end_of_tile<T::kTileRows>(tile);
      const int first_row = tile.row + consumer * 64 + warp_index() % 4 * 16 + lane / 4;
      MOESIM_UNROLL
      for (int upper = 0; upper < 2; ++upper) {
        MOESIM_UNROLL
        for (int j = 0; j < T::kBlockN / 8; j += 4) {
          std::uint32_t pair[4];
          MOESIM_UNROLL
          for (int b = 0; b < 4; ++b) {
            pair[b] = pack_bf16(sum[4 * (j + b) + 2 * upper], sum[4 * (j + b) + 2 * upper + 1]);
          }
          store_row_of_32(out, n, first_row + upper * 8, row_end, tile.column + j * 8, pair);
        }
      }
    }
  }
}

template <class T, class Launcher>
void launch_grouped_gemm_wgmma_tile(Launcher& launcher, const GroupedGemmArgs& args) {
  TensorShape a;
  a.base = args.a;
  a.rank = 2;
  a.size[0] = static_cast<std::uint64_t>(args.k);
  a.size[1] = static_cast<std::uint64_t>(args.most_rows);
  a.stride[1] = a.size[0] * 2;
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
  const long long most_tiles = most_tiles_of<T::kTileRows, T::kBlockN>(args);
  const std::size_t shared = shared_bytes<typename T::Shared>();
  const int grid = launcher.persistent_grid(grouped_gemm_wgmma<T>, T::kThreads, shared, most_tiles);
  launcher.launch(grouped_gemm_wgmma<T>, grid, T::kThreads, shared, launcher.tensor_map(a),
                  launcher.tensor_map(w), args.out, args.offsets, args.groups, args.n, args.k);
}

// The largest tile of which there are enough to keep every multiprocessor at work.
template <class Launcher>
void launch_grouped_gemm_wgmma(Launcher& launcher, const GroupedGemmArgs& args) {
  if (args.most_rows == 0) return;
  const int enough = launcher.multiprocessors();
  if (args.expected_rows <= 16) {
    launch_grouped_gemm_wgmma_tile<WgmmaTileTiny>(launcher, args);
  } else if (args.expected_rows <= 64 || likely_tiles<128, 128>(args) < enough) {
    launch_grouped_gemm_wgmma_tile<WgmmaTileSmall>(launcher, args);
  } else if (args.n <= 128 || likely_tiles<128, 256>(args) < enough) {
    launch_grouped_gemm_wgmma_tile<WgmmaTileMedium>(launcher, args);
  } else {
    launch_grouped_gemm_wgmma_tile<WgmmaTileLarge>(launcher, args);
  }
}

}  // namespace moesim::validation::cuda
