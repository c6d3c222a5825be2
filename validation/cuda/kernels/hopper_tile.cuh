// What the grouped GEMMs on Hopper's own instructions share (sm_90a): a ring of stages in shared
// memory, filled by bulk tensor copies and emptied by wgmma, each guarded by mbarriers.
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
template <int M, int N, int K, int kRing>
struct HopperTile {
  static constexpr int kTileRows = M, kBlockM = M < 64 ? 64 : M;
  static constexpr int kBlockN = N, kBlockK = K, kStages = kRing;
  static constexpr int kConsumers = kBlockM / 64;  // warpgroups
  static constexpr int kThreads = (kConsumers + 1) * kWarpgroupSize;
  // At the start every thread has the same number; together they stay within 65,536.
  static constexpr int kProducerRegisters = 40;
  static constexpr int kConsumerRegisters = 232;
  static_assert(kBlockM % 64 == 0 && kTileRows % 8 == 0);

  using Walk = TileWalk<kTileRows, kBlockN>;
  using Sums = float[kBlockN / 2];  // of a thread of a consuming warpgroup

  struct Ring {  // behind the stages
    Barrier full[kStages];
    Barrier empty[kStages];
    TileTable table;
  };
};

// The whole block calls it. Ends with a barrier.
template <class T>
__device__ __forceinline__ void make_ring(typename T::Ring& ring, const int* offsets, int groups,
                                          int n) {
  if (thread_index() == 0) {
    for (int s = 0; s < T::kStages; ++s) {
      barrier_init(ring.full[s], 1);
      barrier_init(ring.empty[s], T::kConsumers * 4);  // one for each consuming warp
    }
    fence_barrier_init();
  }
  make_tile_table<T::kTileRows, T::kBlockN>(ring.table, offsets, groups, n);  // and a barrier
}

// The producing warpgroup: for each step of each tile, copy(stage, step, tile, full) asks for the
// kStageBytes of the stage.
template <class T, class Copy>
__device__ __forceinline__ void fill_ring(typename T::Ring& ring, typename T::Walk& walk, int steps,
                                          const Copy& copy) {
  release_registers<T::kProducerRegisters>();
  if (thread_index() != 0) return;
  RingPosition<T::kStages> at;
  Tile tile;
  while (walk.next(tile)) {
    for (int step = 0; step < steps; ++step) {
      barrier_wait(ring.empty[at.stage], at.parity ^ 1);
      Barrier& full = ring.full[at.stage];
      barrier_arrive_expect(full, T::kStageBytes);
      copy(at.stage, step, tile, full);
      at.advance();
    }
  }
}

// Which of the consuming warpgroups this is.
__device__ __forceinline__ int consumer_index() {
  return thread_index() / kWarpgroupSize - 1;
}

// The row in its tile of a consuming thread's first two sums of four; the others are 8 below.
__device__ __forceinline__ int row_of_sums() {
  return consumer_index() * 64 + warp_index() % 4 * 16 + lane_index() / 4;
}

template <class T>
__device__ __forceinline__ void store_sums(const float (&sum)[T::kBlockN / 2], Bf16* out, int n,
                                           const Tile& tile) {
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
      store_row_of_32(out, n, tile.row + row_of_sums() + upper * 8, row_end, tile.column + j * 8,
                      pair);
    }
  }
}

// The rows [most_rows, k] as the copies see them, a tile's rows by 128 bytes of k at a time. `row`:
// bytes from one to the next.
template <class T>
TensorShape shape_of_rows(const void* base, TensorElement element, int k, int most_rows,
                          std::uint64_t row) {
  TensorShape a;
  a.base = base;
  a.element = element;
  a.rank = 2;
  a.size[0] = static_cast<std::uint64_t>(k);
  a.size[1] = static_cast<std::uint64_t>(most_rows);
  a.stride[1] = row;
  a.box[0] = T::kBlockK;
  a.box[1] = T::kTileRows;
  a.swizzle128 = true;
  return a;
}

// The weights [groups, n, k] whose rows of k are like those of `rows`.
template <class T>
TensorShape shape_of_weights(const TensorShape& rows, const void* base, int groups, int n) {
  TensorShape w = rows;
  w.base = base;
  w.rank = 3;
  w.size[1] = static_cast<std::uint64_t>(n);
  w.size[2] = static_cast<std::uint64_t>(groups);
  w.stride[2] = w.stride[1] * w.size[1];
  w.box[1] = T::kBlockN;
  return w;
}

}  // namespace moesim::validation::cuda
