// A group of ranks whose bytes are limited only where they leave one and where they reach another:
// on nearly every network that is not oversubscribed. Sums over rows and columns of a matrix of
// messages are then all that the closed form needs.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "hardware/network/path_table.h"

namespace moesim::hardware {

class Ports {
 public:
  // Two ranks are of one kind or the other: 0 near (of one node), 1 far.
  using ByKind = std::array<LinkId, 2>;

  // Ranks ascending.
  Ports(PathTable& paths, const std::vector<sim::Rank>& ranks);

  const std::vector<sim::Rank>& ranks() const { return ranks_; }
  // Whether the only links that limit the way from one to another are the source's leave() and the
  // destination's reach(). The rest holds only then.
  bool suffice() const { return suffice_; }
  const ByKind& leave(std::size_t place) const { return leave_[place]; }
  const ByKind& reach(std::size_t place) const { return reach_[place]; }
  // Those near a rank, itself included, are the places [first, last).
  std::size_t first_near(std::size_t place) const { return near_[place].first; }
  std::size_t last_near(std::size_t place) const { return near_[place].second; }
  // Latency in ps from a rank to each other; to a rank from each other.
  const std::uint32_t* from(std::size_t place) const { return &from_[place * ranks_.size()]; }
  const std::uint32_t* to(std::size_t place) const { return &to_[place * ranks_.size()]; }

 private:
  bool find_near(const Topology& topology);
  bool find_links(PathTable& paths);

  std::vector<sim::Rank> ranks_;
  std::vector<ByKind> leave_, reach_;
  std::vector<std::pair<std::size_t, std::size_t>> near_;
  std::vector<std::uint32_t> from_, to_;
  bool suffice_;
};

}  // namespace moesim::hardware
