// The rows of many groups in the numbers that a grouped GEMM's time depends on. An average of
// several draws of rows is such a value too.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace moesim::hardware {

// Rows of a tile, of the kernels that libraries choose from.
inline constexpr std::array<double, 6> kRowTiles{8, 16, 32, 64, 128, 256};

struct GroupRows {
  double groups = 0;  // all, with or without rows
  double active = 0;  // those with rows: their weights are read
  double rows = 0;
  double most = 0;                               // of one group
  std::array<double, kRowTiles.size()> tiles{};  // sum over groups of ceil(rows / kRowTiles[i])
  bool operator==(const GroupRows&) const = default;
};

// REQUIRES: none below zero
GroupRows group_rows(std::span<const std::int64_t> rows);
GroupRows average(std::span<const GroupRows> draws);

// About what was there of these rows when each had come with that chance, all alike: where a batch
// was while it grew to this one. A group of r rows has some with 1 - (1 - share)^r, one group at
// least where there is a row; groups that are even to a row were so all the way, and each has one
// as long as there are as many. Tiles are those of all rows in tiles of tile / share.
// REQUIRES: 0 < share <= 1
GroupRows thinned(const GroupRows& rows, double share);
// Its groups that have rows.
double thinned_active(const GroupRows& rows, double share);
// 1 - (1 - share)^full: how likely a group of `full` rows has any. 0 <= share <= 1
double chance_of_any(double share, double full);

}  // namespace moesim::hardware
