#include "hardware/kernels/group_rows.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace moesim::hardware {
namespace {

// Of a size between those that are known, and beyond: straight in the logarithms; the largest that
// is known falls to one in every group.
double tiles_of(const GroupRows& g, double size) {
  if (size >= kRowTiles.back())
    return g.active + (g.tiles.back() - g.active) * kRowTiles.back() / size;
  const auto above = std::ranges::upper_bound(kRowTiles, size);
  const auto i = static_cast<std::size_t>(above - kRowTiles.begin());
  const double way = std::log(size / kRowTiles[i - 1]) / std::log(kRowTiles[i] / kRowTiles[i - 1]);
  return g.tiles[i - 1] * std::pow(g.tiles[i] / g.tiles[i - 1], way);
}

}  // namespace

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
      const std::int64_t tiles = (r + tile - 1) / tile;
      g.tiles[i] += static_cast<double>(tiles);
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
  for (std::size_t i = 0; i < kRowTiles.size(); ++i) {
    const double scaled = tiles_of(g, kRowTiles[i] / share) - (g.active - less.active);
    less.tiles[i] = std::max({less.active, less.rows / kRowTiles[i], scaled});
  }
  return less;
}

}  // namespace moesim::hardware
