// Grouped GEMM in bf16 on mma.sync (sm_80 and up): persistent blocks, cp.async ring of kStages.
//
// A stage holds kBlockM rows of A and kBlockN of W, 32 values (64 bytes) of k each. Piece p of 16
// bytes of row r lies at piece p ^ (r / 2 % 4): eight rows of one piece, which ldmatrix reads at
// once, then lie in all 32 banks.
#pragma once

#include "validation/cuda/device/async_copy.cuh"
#include "validation/cuda/device/matrix.cuh"
#include "validation/cuda/kernels/tiles.cuh"

namespace moesim::validation::cuda {

template <int M, int N, int kWarpsAcrossM, int kWarpsAcrossN, int kRing>
struct MmaTile {
  static constexpr int kBlockM = M, kBlockN = N, kBlockK = 32, kStages = kRing;
  static constexpr int kWarpsM = kWarpsAcrossM, kWarpsN = kWarpsAcrossN;
  static constexpr int kThreads = kWarpsM * kWarpsN * kWarpSize;
  static constexpr int kWarpM = kBlockM / kWarpsM, kWarpN = kBlockN / kWarpsN;
  static_assert(kWarpM % 16 == 0 && kWarpN % 32 == 0);

  struct Shared {
    alignas(16) Bf16 a[kStages][kBlockM * kBlockK];
    alignas(16) Bf16 w[kStages][kBlockN * kBlockK];
    TileTable table;
  };
};

using MmaTileLarge = MmaTile<128, 128, 2, 4, 4>;
using MmaTileMedium = MmaTile<64, 128, 2, 4, 5>;
using MmaTileSmall = MmaTile<16, 128, 1, 4, 6>;

// Where a 16-byte piece of a row lies in a stage, in values.
__device__ __forceinline__ int staged_at(int row, int piece) {
  return row * 32 + (piece ^ (row / 2 % 4)) * 8;
}

// Brings rows `first` … of a [rows, k] matrix into a stage; zeros beyond `row_end` and k.
template <int kRows, int kThreads>
__device__ __forceinline__ void stage_rows(Bf16* stage, const Bf16* matrix, int first, int row_end,
                                           int column, int k) {
  MOESIM_UNROLL
  for (int i = 0; i < ceil_div(kRows * 4, kThreads); ++i) {
    const int job = i * kThreads + thread_index();
    if (kRows * 4 % kThreads != 0 && job >= kRows * 4) break;
    const int row = job / 4, piece = job % 4;
    const bool inside = first + row < row_end && column + piece * 8 < k;
    const Bf16* from =
        inside ? matrix + static_cast<std::ptrdiff_t>(first + row) * k + column + piece * 8
               : matrix;
    async_copy16(stage + staged_at(row, piece), from, inside ? 16 : 0);
  }
}

template <class T>
__global__ void __launch_bounds__(T::kThreads) grouped_gemm_mma(GroupedGemmArgs args) {
  auto& shared = shared_as<typename T::Shared>();
  make_tile_table<T::kBlockM, T::kBlockN>(shared.table, args.offsets, args.groups, args.n);
  TileWalk<T::kBlockM, T::kBlockN> walk(shared.table, args.groups, args.n);

  const int lane = lane_index();
  const int warp_row = warp_index() / T::kWarpsN * T::kWarpM;
  const int warp_column = warp_index() % T::kWarpsN * T::kWarpN;
  const int steps = ceil_div(args.k, T::kBlockK);

  Tile tile;
  while (walk.next(tile)) {
    const Bf16* weights = args.weights + static_cast<std::ptrdiff_t>(tile.group) * args.n * args.k;
    const auto stage = [&](int step) {
      if (step < steps) {
        const int slot = step % T::kStages, column = step * T::kBlockK;
        stage_rows<T::kBlockM, T::kThreads>(shared.a[slot], args.a, tile.row, tile.row_end, column,
                                            args.k);
        stage_rows<T::kBlockN, T::kThreads>(shared.w[slot], weights, tile.column, args.n, column,
                                            args.k);
      }
      async_commit();  // an empty group keeps the count right
    };

    float sum[T::kWarpM / 16][T::kWarpN / 8][4] = {};
    for (int step = 0; step < T::kStages - 1; ++step) stage(step);
    for (int step = 0; step < steps; ++step) {
      async_wait<T::kStages - 2>();
      sync_threads();  // this stage is there for all, and all have done with the one refilled next
      stage(step + T::kStages - 1);
      const Bf16* a = shared.a[step % T::kStages];
      const Bf16* w = shared.w[step % T::kStages];
      MOESIM_UNROLL
      for (int piece = 0; piece < 4; piece += 2) {  // 16 of k
        std::uint32_t left[T::kWarpM / 16][4];
        std::uint32_t right[T::kWarpN / 8][2];
        MOESIM_UNROLL
        for (int i = 0; i < T::kWarpM / 16; ++i) {
          // Matrices: rows 0-7 and 8-15 of the first eight k, then of the second.
          const int row = warp_row + i * 16 + lane % 16;
          load_matrices(left[i], a + staged_at(row, piece + lane / 16));
        }
        MOESIM_UNROLL
        for (int j = 0; j < T::kWarpN / 8; j += 2) {
          // Matrices: the first and second eight k of rows 0-7 of W, then of rows 8-15.
          const int row = warp_column + j * 8 + lane / 16 * 8 + lane % 8;
          std::uint32_t both[4];
          load_matrices(both, w + staged_at(row, piece + lane / 8 % 2));
          right[j][0] = both[0];
          right[j][1] = both[1];
          right[j + 1][0] = both[2];
          right[j + 1][1] = both[3];
        }
        MOESIM_UNROLL
        for (int i = 0; i < T::kWarpM / 16; ++i) {
          MOESIM_UNROLL
          for (int j = 0; j < T::kWarpN / 8; ++j) multiply_add(sum[i][j], left[i], right[j]);
        }
      }
    }
    async_wait<0>();
    sync_threads();  // before the next tile refills the stages

    MOESIM_UNROLL
    for (int i = 0; i < T::kWarpM / 16; ++i) {
      MOESIM_UNROLL
      for (int upper = 0; upper < 2; ++upper) {
        const int row = tile.row + warp_row + i * 16 + upper * 8 + lane / 4;
        MOESIM_UNROLL
        for (int j = 0; j < T::kWarpN / 8; j += 4) {
          std::uint32_t pair[4];
          MOESIM_UNROLL
          for (int b = 0; b < 4; ++b) {
            pair[b] = pack_bf16(sum[i][j + b][2 * upper], sum[i][j + b][2 * upper + 1]);
          }
          store_row_of_32(args.out, args.n, row, tile.row_end, tile.column + warp_column + j * 8,
                          pair);
        }
      }
    }
  }
}

template <class Launcher>
void launch_grouped_gemm_mma(Launcher& launcher, const GroupedGemmArgs& args) {
  if (args.most_rows == 0) return;
  const auto go = [&]<class T>(T) {
    const long long most_tiles = most_tiles_of<T::kBlockM, T::kBlockN>(args);
    const int grid = launcher.persistent_grid(grouped_gemm_mma<T>, T::kThreads,
                                              shared_bytes<typename T::Shared>(), most_tiles);
    launcher.launch(grouped_gemm_mma<T>, grid, T::kThreads, shared_bytes<typename T::Shared>(),
                    args);
  };
  if (args.expected_rows <= 16) {
    go(MmaTileSmall{});
  } else if (args.expected_rows <= 64 ||
             likely_tiles<128, 128>(args) < launcher.multiprocessors()) {
    go(MmaTileMedium{});
  } else {
    go(MmaTileLarge{});
  }
}

}  // namespace moesim::validation::cuda
