#include "hardware/kernels/group_rows.h"

#include <algorithm>

namespace moesim::hardware {

GroupRows group_rows(std::span<const std::int64_t> rows) {
  GroupRows g;
  g.groups = static_cast<double>(rows.size());
  for (const std::int64_t r : rows) {
    if (r <= 0) continue;
    g.active += 1;
    g.rows += static_cast<double>(r);
    g.most = std::max(g.most, static_cast<double>(r));
    for (std::size_t i = 0; i < kRowTiles.size(); ++i) {
      const auto tile = static_cast<std::int64_t>(kRowTiles[i]);
      g.tiles[i] += static_cast<double>((r + tile - 1) / tile);
    }
  }
  return g;
}

GroupRows average(std::span<const GroupRows> draws) {
  GroupRows sum;
  if (draws.empty()) return sum;
  const double part = 1 / static_cast<double>(draws.size());
  for (const GroupRows& d : draws) {
    sum.groups += d.groups * part;
    sum.active += d.active * part;
    sum.rows += d.rows * part;
    sum.most += d.most * part;
    for (std::size_t i = 0; i < kRowTiles.size(); ++i) sum.tiles[i] += d.tiles[i] * part;
  }
  return sum;
}

}  // namespace moesim::hardware
