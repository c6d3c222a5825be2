// Which tile of which group a block works on next, for a persistent grid: block b takes the tiles
// b, b + grid, b + 2 grid, … of all groups, numbered group by group.
//
// Within a group, kSuperRows tiles of rows go with all columns before the next, so that blocks
// which run at the same time share both operands in the L2.
#pragma once

#include "validation/cuda/device/platform.cuh"
#include "validation/cuda/device/warp.cuh"
#include "validation/cuda/kernels/arguments.h"

namespace moesim::validation::cuda {

inline constexpr int kSuperRows = 16;

struct TileTable {
  int offsets[kMaxExperts + 1];
  int tiles_end[kMaxExperts];  // tiles of the groups up to and including this one
};

struct Tile {
  int group = 0;
  int row = 0, row_end = 0;  // row_end: of the group
  int column = 0;
};

// Fills the table; the whole block calls it. Ends with a barrier.
template <int kBlockM, int kBlockN>
__device__ __forceinline__ void make_tile_table(TileTable& table, const int* offsets, int groups,
                                                int n) {
  for (int g = thread_index(); g <= groups; g += block_size()) table.offsets[g] = offsets[g];
  sync_threads();
  if (warp_index() == 0) {
    const int columns = ceil_div(n, kBlockN);
    int before = 0;
    for (int first = 0; first < groups; first += kWarpSize) {
      const int g = first + lane_index();
      const int rows = g < groups ? table.offsets[g + 1] - table.offsets[g] : 0;
      const int end = before + warp_prefix_sum(ceil_div(rows, kBlockM) * columns);
      if (g < groups) table.tiles_end[g] = end;
      before = shuffle(end, kWarpSize - 1);
    }
  }
  sync_threads();
}

template <int kBlockM, int kBlockN>
class TileWalk {
 public:
  __device__ __forceinline__ TileWalk(const TileTable& table, int groups, int n)
      : table_(table), groups_(groups), columns_(ceil_div(n, kBlockN)), next_(block_index()) {}

  // The next tile of this block; false when there is none left.
  __device__ __forceinline__ bool next(Tile& tile) {
    while (group_ < groups_ && next_ >= table_.tiles_end[group_]) {
      group_begin_ = table_.tiles_end[group_];
      ++group_;
    }
    if (group_ == groups_) return false;
    const int first_row = table_.offsets[group_], row_end = table_.offsets[group_ + 1];
    const int row_tiles = ceil_div(row_end - first_row, kBlockM);
    const int local = next_ - group_begin_;
    const int band = local / (kSuperRows * columns_);
    const int in_band = local - band * kSuperRows * columns_;
    const int left = row_tiles - band * kSuperRows;
    const int band_rows = left < kSuperRows ? left : kSuperRows;
    const int column = in_band / band_rows;
    tile.group = group_;
    tile.row = first_row + (band * kSuperRows + in_band - column * band_rows) * kBlockM;
    tile.row_end = row_end;
    tile.column = column * kBlockN;
    next_ += grid_size();
    return true;
  }

 private:
  const TileTable& table_;
  int groups_, columns_;
  int next_;
  int group_ = 0, group_begin_ = 0;
};

// The first row behind a tile's own.
template <int kTileRows>
__device__ __forceinline__ int end_of_tile(const Tile& tile) {
  return tile.row + kTileRows < tile.row_end ? tile.row + kTileRows : tile.row_end;
}

// No more tiles than this: every group that has rows may have a partial one.
template <int kTileRows, int kBlockN, class Args>
long long most_tiles_of(const Args& args) {
  const int partial = args.groups < args.most_rows ? args.groups : args.most_rows;
  return (static_cast<long long>(args.most_rows) / kTileRows + partial) * ceil_div(args.n, kBlockN);
}

// As many as there are if every group that has rows has the expected number.
template <int kTileRows, int kBlockN, class Args>
long long likely_tiles(const Args& args) {
  const int expected = args.expected_rows > 0 ? args.expected_rows : 1;
  return static_cast<long long>(ceil_div(args.most_rows, expected)) *
         ceil_div(expected, kTileRows) * ceil_div(args.n, kBlockN);
}

// Stores, of each of a warp's rows, 32 columns that its quads hold in fragments: `pair` is the
// lane's two columns 2 (lane % 4) of each of four blocks of eight, as bf16. Rows at or beyond
// row_end and columns at or beyond n (a multiple of 8) are left alone.
__device__ __forceinline__ void store_row_of_32(Bf16* out, int n, int row, int row_end, int column,
                                                std::uint32_t (&pair)[4]) {
  quad_transpose(pair);  // now the lane has one block of eight columns whole
  const int mine = column + lane_index() % 4 * 8;
  if (row < row_end && mine < n) {
    Vector16 piece;
    MOESIM_UNROLL
    for (int i = 0; i < 4; ++i) piece.word[i] = pair[i];
    *reinterpret_cast<Vector16*>(out + static_cast<std::ptrdiff_t>(row) * n + mine) = piece;
  }
}

}  // namespace moesim::validation::cuda
