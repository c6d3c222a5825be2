#include "hardware/kernels/group_rows.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace moesim::hardware {

GroupRows group_rows(std::span<const std::int64_t> rows) {
  std::int64_t active = 0, sum = 0, most = 0;
  for (const std::int64_t r : rows) {
    active += r > 0;
    sum += r;
    most = std::max(most, r);
  }
  GroupRows g{.groups = static_cast<double>(rows.size()),
              .active = static_cast<double>(active),
              .rows = static_cast<double>(sum),
              .most = static_cast<double>(most)};
  static_assert(kRowTiles[0] == 8 && kRowTiles.back() == 8 << (kRowTiles.size() - 1));
  for (std::size_t i = 0; i < kRowTiles.size(); ++i) {
    std::int64_t tiles = 0;
    for (const std::int64_t r : rows) tiles += (r + (std::int64_t{8} << i) - 1) >> (3 + i);
    g.tiles[i] = static_cast<double>(tiles);
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

double chance_of_any(double share, double full) {
  // (1 - share)^full is at most exp(-share x full): below half of what 1 is known to.
  constexpr double kCertain = 40;
  return share * full >= kCertain ? 1 : 1 - std::pow(1 - share, full);
}

double thinned_active(const GroupRows& g, double share) {
  if (g.rows <= 0 || share >= 1) return g.active;
  const double rows = share * g.rows, full = g.rows / g.active;
  const bool even = g.most < full + 1;
  return even ? std::min(g.active, rows)
              : std::max(g.active * chance_of_any(share, full), std::min(1.0, rows));
}

GroupRows thinned(const GroupRows& g, double share) {
  if (g.rows <= 0 || share >= 1) return g;
  GroupRows less = g;
  less.rows = share * g.rows;
  less.most = std::min(less.rows, std::max(1.0, share * g.most));
  less.active = thinned_active(g, share);
  // Tiles of a size between those that are known are straight in the logarithms, which are whole
  // steps of 1 here; beyond, the largest that is known falls to one in every group.
  const double larger = std::log2(1 / share), whole = std::floor(larger), way = larger - whole;
  for (std::size_t i = 0; i < kRowTiles.size(); ++i) {
    const std::size_t below = i + static_cast<std::size_t>(whole);
    double tiles;
    if (below + 1 >= kRowTiles.size()) {
      tiles = g.active + (g.tiles.back() - g.active) * kRowTiles.back() / (kRowTiles[i] / share);
    } else {
      const double ratio = g.tiles[below + 1] / g.tiles[below];
      tiles = ratio == 1 ? g.tiles[below] : g.tiles[below] * std::pow(ratio, way);
    }
    const double scaled = tiles - (g.active - less.active);
    less.tiles[i] = std::max({less.active, less.rows / kRowTiles[i], scaled});
  }
  return less;
}

}  // namespace moesim::hardware
