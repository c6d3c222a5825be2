// Grouped GEMM in bf16 on Hopper's own instructions (sm_90a): the ring of hopper_tile.cuh with 64
// of k in a stage. The products of a stage run on while the next is waited for.
#pragma once

#include "validation/cuda/kernels/hopper_tile.cuh"

namespace moesim::validation::cuda {

template <int M, int N, int kRing>
struct WgmmaTile : HopperTile<M, N, 64, kRing> {
  using Base = HopperTile<M, N, 64, kRing>;
  static constexpr int kStageBytes = (Base::kTileRows + N) * Base::kBlockK * 2;
  static_assert(Base::kBlockK * 2 == 128);

  struct alignas(1024) Shared {
    Bf16 a[kRing][Base::kBlockM * Base::kBlockK];  // each stage a multiple of 1024 bytes
    Bf16 w[kRing][N * Base::kBlockK];
    typename Base::Ring ring;
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
  auto& ring = shared.ring;
  if (thread_index() == 0) {
    prefetch_map(map_a);
    prefetch_map(map_w);
  }
  make_ring<T>(ring, offsets, groups, n);
  typename T::Walk walk(ring.table, groups, n);
  const int steps = ceil_div(k, T::kBlockK);

  if (thread_index() < kWarpgroupSize) {
    fill_ring<T>(ring, walk, steps, [&](int stage, int step, const Tile& tile, Barrier& full) {
      tensor_copy_2d(shared.a[stage], map_a, step * T::kBlockK, tile.row, full);
      tensor_copy_3d(shared.w[stage], map_w, step * T::kBlockK, tile.column, tile.group, full);
    });
    return;
  }
  take_registers<T::kConsumerRegisters>();
  const int lane = lane_index();
  RingPosition<T::kStages> at;
  Tile tile;
  while (walk.next(tile)) {
    typename T::Sums sum;
    int previous = 0;
    for (int step = 0; step < steps; ++step) {
      barrier_wait(ring.full[at.stage], at.parity);
      const std::uint64_t a = operand_descriptor(
          shared_address(shared.a[at.stage] + consumer_index() * 64 * T::kBlockK));
      const std::uint64_t w = operand_descriptor(shared_address(shared.w[at.stage]));
      pin_sums(sum);
      warpgroup_fence();
      MOESIM_UNROLL
      for (int i = 0; i < T::kBlockK / 16; ++i) {
        product_bf16(sum, along_k(a, i), along_k(w, i), step > 0 || i > 0);
      }
      warpgroup_commit();
      // The products of the step before are done: its stage can be filled again.
      warpgroup_wait<1>();
      if (step > 0 && lane == 0) barrier_arrive(ring.empty[previous]);
      previous = at.stage;
      at.advance();
    }
    warpgroup_wait<0>();
    pin_sums(sum);
    if (lane == 0) barrier_arrive(ring.empty[previous]);
    store_sums<T>(sum, out, n, tile);
  }
}

template <class T, class Launcher>
void launch_grouped_gemm_wgmma_tile(Launcher& launcher, const GroupedGemmArgs& args) {
  const TensorShape a = shape_of_rows<T>(args.a, TensorElement::Bf16, args.k, args.most_rows,
                                         static_cast<std::uint64_t>(args.k) * 2);
  const TensorShape w = shape_of_weights<T>(a, args.weights, args.groups, args.n);
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
