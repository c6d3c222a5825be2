// The paths between ranks, each looked up once: the links that can limit it, and its latency.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "hardware/network/routes.h"
#include "hardware/network/topology.h"
#include "sim/units.h"

namespace moesim::hardware {

class PathTable {
 public:
  // The links of a path that can limit it: two at most in most networks, so these are at hand.
  struct Path {
    static constexpr std::uint32_t kNo = ~0u;
    static constexpr std::uint32_t kMore = ~0u - 1;  // as links[0]: links[1] is the place in more_
    std::array<std::uint32_t, 2> links{kNo, kNo};
    sim::Duration latency{-1};  // negative: not yet looked up
  };

  explicit PathTable(std::shared_ptr<const Topology> topology);

  // REQUIRES: source != destination. Throws InfeasibleError where there is no way.
  const Path& path(sim::Rank source, sim::Rank destination) {
    auto& row = rows_[source];
    if (row.empty()) row.resize(topology_->ranks());
    Path& path = row[destination];
    if (path.latency < sim::Duration{}) look_up(source, destination, path);
    return path;
  }
  std::span<const LinkId> limiting_links(const Path& path) const {
    const auto& [first, second] = path.links;
    if (first == Path::kMore) return {more_.data() + second + 1, more_[second]};
    return {path.links.data(), first == Path::kNo ? 0u : second == Path::kNo ? 1u : 2u};
  }
  // All links, those that never limit as well.
  std::span<const LinkId> all_links(sim::Rank source, sim::Rank destination);

  const Topology& topology() const { return *topology_; }

 private:
  void look_up(sim::Rank source, sim::Rank destination, Path& path);

  std::shared_ptr<const Topology> topology_;
  Routes routes_;
  std::vector<std::vector<Path>> rows_;
  std::vector<LinkId> more_;  // count, links
  std::vector<LinkId> scratch_;
};

}  // namespace moesim::hardware
