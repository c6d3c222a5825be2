// Grouped GEMM in bf16 on mma.sync (sm_80 and up): persistent blocks, cp.async ring of kStages.
//
// A stage holds kBlockM rows of A and kBlockN of W, kBlockK values of k each: 64 where whole lines
// of the weights are to come from memory, 32 where two blocks with many sums must fit. Fragments of
// the next 16 of k are read while those of the last are multiplied.
#pragma once

#include "validation/cuda/device/async_copy.cuh"
#include "validation/cuda/device/matrix.cuh"
#include "validation/cuda/kernels/tiles.cuh"

namespace moesim::validation::cuda {

template <int M, int N, int K, int kWarpsAcrossM, int kWarpsAcrossN, int kRing, int kTogether>
struct MmaTile {
  static constexpr int kBlockM = M, kBlockN = N, kBlockK = K, kStages = kRing;
  static constexpr int kWarpsM = kWarpsAcrossM, kWarpsN = kWarpsAcrossN;
  static constexpr int kThreads = kWarpsM * kWarpsN * kWarpSize;
  static constexpr int kBlocks = kTogether;  // on a multiprocessor
  static constexpr int kWarpM = kBlockM / kWarpsM, kWarpN = kBlockN / kWarpsN;
  static_assert(kWarpM % 16 == 0 && kWarpN % 32 == 0 && kBlockK % 32 == 0);

  struct Shared {
    alignas(16) Bf16 a[kStages][kBlockM * kBlockK];
    alignas(16) Bf16 w[kStages][kBlockN * kBlockK];
    TileTable table;
  };
  struct Fragments {
    std::uint32_t left[kWarpM / 16][4];
    std::uint32_t right[kWarpN / 8][2];
  };
};

using MmaTileLarge = MmaTile<128, 128, 32, 2, 2, 4, 2>;
using MmaTileMedium = MmaTile<64, 128, 64, 2, 2, 3, 2>;
using MmaTileSmall = MmaTile<16, 128, 64, 1, 4, 3, 3>;

// Where a 16-byte piece of a row lies in a stage, in values: eight rows of one piece, which
// ldmatrix reads at once, lie in all 32 banks.
template <int kBlockK>
__device__ __forceinline__ int staged_at(int row, int piece) {
  static_assert(kBlockK == 32 || kBlockK == 64);
  return row * kBlockK + (piece ^ (kBlockK == 32 ? row / 2 & 3 : row & 7)) * 8;
}

// Brings rows `first` … of a [rows, k] matrix into a stage; zeros beyond `row_end` and k.
template <int kRows, int kBlockK, int kThreads>
__device__ __forceinline__ void stage_rows(Bf16* stage, const Bf16* matrix, int first, int row_end,
                                           int column, int k) {
  constexpr int kPieces = kBlockK / 8;
  const int piece = thread_index() % kPieces;
  const Bf16* from = matrix + static_cast<std::ptrdiff_t>(first + thread_index() / kPieces) * k +
                     column + piece * 8;
  static_assert(kRows * kPieces % kThreads == 0 || kRows * kPieces < kThreads);
  if (kRows * kPieces < kThreads && thread_index() >= kRows * kPieces) return;
  MOESIM_UNROLL
  for (int i = 0; i < ceil_div(kRows * kPieces, kThreads); ++i) {
    const int before = i * (kThreads / kPieces), row = before + thread_index() / kPieces;
    const bool inside = first + row < row_end && column + piece * 8 < k;
    // Where nothing is valid, nothing is read.
    async_copy16(stage + staged_at<kBlockK>(row, piece),
                 from + static_cast<std::ptrdiff_t>(before) * k, inside ? 16 : 0);
  }
}

// A warp's operands of products: 16 of k, from the 16-byte piece `piece` of its rows on.
template <class T>
__device__ __forceinline__ void load_fragments(typename T::Fragments& fragments, const Bf16* a,
                                               const Bf16* w, int piece) {
  const int lane = lane_index();
  const int warp_row = warp_index() / T::kWarpsN * T::kWarpM;
  const int warp_column = warp_index() % T::kWarpsN * T::kWarpN;
  MOESIM_UNROLL
  for (int i = 0; i < T::kWarpM / 16; ++i) {
    // Matrices: rows 0-7 and 8-15 of the first eight k, then of the second.
    const int row = warp_row + i * 16 + lane % 16;
    load_matrices(fragments.left[i], a + staged_at<T::kBlockK>(row, piece + lane / 16));
  }
  MOESIM_UNROLL
  for (int j = 0; j < T::kWarpN / 8; j += 2) {
    // Matrices: the first and second eight k of rows 0-7 of W, then of rows 8-15.
    const int row = warp_column + j * 8 + lane / 16 * 8 + lane % 8;
    std::uint32_t both[4];
    load_matrices(both, w + staged_at<T::kBlockK>(row, piece + lane / 8 % 2));
    fragments.right[j][0] = both[0];
    fragments.right[j][1] = both[1];
    fragments.right[j + 1][0] = both[2];
    fragments.right[j + 1][1] = both[3];
  }
}

template <class T>
__global__ void __launch_bounds__(T::kThreads, T::kBlocks) grouped_gemm_mma(GroupedGemmArgs args) {
  auto& shared = shared_as<typename T::Shared>();
  make_tile_table<T::kBlockM, T::kBlockN>(shared.table, args.offsets, args.groups, args.n);
  TileWalk<T::kBlockM, T::kBlockN> walk(shared.table, args.groups, args.n);

  const int lane = lane_index();
  const int warp_row = warp_index() / T::kWarpsN * T::kWarpM;
  const int warp_column = warp_index() % T::kWarpsN * T::kWarpN;
  const int steps = ceil_div(args.k, T::kBlockK);
  constexpr int kParts = T::kBlockK / 16;  // of a step, each one product deep

  Tile tile;
  while (walk.next(tile)) {
    const Bf16* weights = args.weights + static_cast<std::ptrdiff_t>(tile.group) * args.n * args.k;
    const auto stage = [&](int step) {
      if (step < steps) {
        const int slot = step % T::kStages, column = step * T::kBlockK;
        stage_rows<T::kBlockM, T::kBlockK, T::kThreads>(shared.a[slot], args.a, tile.row,
                                                        tile.row_end, column, args.k);
        stage_rows<T::kBlockN, T::kBlockK, T::kThreads>(shared.w[slot], weights, tile.column,
                                                        args.n, column, args.k);
      }
      async_commit();  // an empty group keeps the count right
    };
    typename T::Fragments fragments[2];
    const auto load = [&](int step, int part) {
      const int slot = step % T::kStages;
      load_fragments<T>(fragments[part % 2], shared.a[slot], shared.w[slot], part * 2);
    };

    float sum[T::kWarpM / 16][T::kWarpN / 8][4] = {};
    for (int step = 0; step < T::kStages - 1; ++step) stage(step);
    async_wait<T::kStages - 2>();
    sync_threads();  // the first stage is there for all
    load(0, 0);
    for (int step = 0; step < steps; ++step) {
      stage(step + T::kStages - 1);
      MOESIM_UNROLL
      for (int part = 0; part < kParts; ++part) {
        if (part + 1 < kParts) {
          load(step, part + 1);
        } else {
          async_wait<T::kStages - 2>();
          sync_threads();  // the next stage is there for all, and all have read this one
          if (step + 1 < steps) load(step + 1, 0);
        }
        const auto& now = fragments[part % 2];
        MOESIM_UNROLL
        for (int i = 0; i < T::kWarpM / 16; ++i) {
          MOESIM_UNROLL
          for (int j = 0; j < T::kWarpN / 8; ++j)
            multiply_add(sum[i][j], now.left[i], now.right[j]);
        }
      }
    }

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
