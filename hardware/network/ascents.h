// Paths by structure, where a network is switches in levels: bytes climb from a device to the
// lowest switch above both ends, and descend from there. So a path is what lies above its two ends,
// a handful of links of each, and there is no table for a destination or a pair.
//
// That is every path that is shortest, by links: one that falls and climbs again has four links
// more between switches, and devices pass on nothing. Where there are several such paths (ECMP,
// devices of several NICs), or none, nothing is said here: see routes.h.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "hardware/network/topology.h"

namespace moesim::hardware {

class Ascents {
 public:
  // What lies above a device, as far as there is one way up and the same way down.
  struct Rise {
    static constexpr std::size_t kMostLimits = 4;
    VertexId vertex = 0;
    std::uint32_t length = 0;  // of the way from the device (routes.h)
    std::uint32_t below = 0;   // its place among the rises: the one before on the way up
    LinkId up = 0, down = 0;   // from and to that one
    sim::Duration up_latency{}, down_latency{};  // of the whole way
    // The links of the way that can limit: up in their order, down in that of the way down.
    std::uint32_t up_count = 0, down_count = 0;
    std::array<LinkId, kMostLimits> up_limits{}, down_limits{};
  };
  // The rises at which a path turns: of its source, of its destination.
  struct Meeting {
    const Rise* up = nullptr;  // null: not by structure
    const Rise* down = nullptr;
  };

  // The topology outlives this.
  Ascents(const Topology& topology, const std::vector<bool>& can_limit);

  // What lies above a rank, after itself; empty where its paths are not by structure. Valid as
  // long as this.
  std::span<const Rise> above(sim::Rank rank);
  // The place of one of its rises, from 1; 0 is the rank itself.
  std::size_t place_of(sim::Rank rank, const Rise& rise) const {
    return static_cast<std::size_t>(&rise - above_[rank].data());
  }
  // REQUIRES: source != destination
  Meeting meet(sim::Rank source, sim::Rank destination);
  void append_up(sim::Rank source, const Rise& top, std::vector<LinkId>& links);
  void append_down(const Rise& top, sim::Rank destination, std::vector<LinkId>& links);

 private:
  static constexpr std::size_t kMost = 16;  // rises of a device: more are no handful
  struct Step {
    LinkId up, down;
  };
  std::vector<Rise> climb(VertexId device) const;
  bool add_limits(Rise& rise) const;

  const Topology& topology_;
  const std::vector<bool>& can_limit_;
  // Of each vertex: the links to those above it that are up, each with the one back.
  std::vector<std::vector<Step>> steps_;
  std::vector<bool> crooked_;             // of each vertex: not each way up of it has one way back
  std::vector<std::vector<Rise>> above_;  // of each rank that was asked for: itself at least
};

}  // namespace moesim::hardware
