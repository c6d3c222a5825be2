// The paths between ranks: the links that can limit one, and its latency. By structure where that
// says it (ascents.h), else each looked up once.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "hardware/network/routes.h"
#include "hardware/network/topology.h"
#include "sim/units.h"

namespace moesim::hardware {

class PathTable {
 public:
  struct Path {
    // The links of a path that can limit it; more than there is room for lie elsewhere.
    static constexpr std::uint32_t kRoom = 2 * Ascents::Rise::kMostLimits;
    std::array<LinkId, kRoom> links{};
    std::uint32_t count = 0;
    std::uint32_t elsewhere = 0;  // where count > kRoom: their place
    sim::Duration latency{};
  };

  explicit PathTable(std::shared_ptr<const Topology> topology);

  // REQUIRES: source != destination. Throws InfeasibleError where there is no way.
  Path path(sim::Rank source, sim::Rank destination) {
    if (by_structure_) {
      const auto [up, down] = ascents().meet(source, destination);
      if (up != nullptr) return joined(*up, *down);
    }
    return looked_up(source, destination);
  }
  // Valid as long as the path is.
  std::span<const LinkId> limiting_links(const Path& path) const {
    if (path.count <= Path::kRoom) return {path.links.data(), path.count};
    return {more_.data() + path.elsewhere, path.count};
  }
  // All links, those that never limit as well. Valid until the next question
  std::span<const LinkId> all_links(sim::Rank source, sim::Rank destination);

  const Topology& topology() const { return *topology_; }
  std::shared_ptr<const Topology> shared_topology() const { return topology_; }
  // Whether a path is what its two ends' ascents make of it, where they meet; else it may pass
  // another device on its way, or one of several is chosen by a hash.
  bool by_structure() const { return by_structure_; }
  Ascents& ascents() { return routes_.ascents(); }

 private:
  static Path joined(const Ascents::Rise& up, const Ascents::Rise& down) {
    Path path;
    for (std::uint32_t i = 0; i < up.up_count; ++i) path.links[path.count++] = up.up_limits[i];
    for (std::uint32_t i = 0; i < down.down_count; ++i) {
      path.links[path.count++] = down.down_limits[i];
    }
    path.latency = up.up_latency + down.down_latency;
    return path;
  }
  const Path& looked_up(sim::Rank source, sim::Rank destination);

  std::shared_ptr<const Topology> topology_;
  Routes routes_;
  bool by_structure_;
  std::unordered_map<std::uint64_t, Path> paths_;  // by source, destination
  std::vector<LinkId> more_;
  std::vector<LinkId> scratch_;
};

}  // namespace moesim::hardware
