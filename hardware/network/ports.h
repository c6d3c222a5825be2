// A group of ranks, and the ways that bytes take between them: near each other (of one node), or
// over a leaf, over a spine. Where the only links that limit are those by which bytes leave a rank
// and reach another, as on nearly every network that is not oversubscribed, sums over rows and
// columns of a matrix of messages (matrix_sums.h) are all that the closed form needs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "hardware/network/path_table.h"

namespace moesim::hardware {

class Ports {
 public:
  // Two ranks are of one kind or the other: 0 near, 1 far.
  using ByKind = std::array<LinkId, 2>;
  // How bytes get from one place to another: kNear between near ranks, the others between far ones.
  using Way = std::uint8_t;
  static constexpr Way kNear = 0;
  struct WayTraits {
    std::uint32_t up = 0, down = 0;  // by structure: the rises where it turns (ascents.h), from 1
    std::int64_t latency = -1;       // ps; negative: nobody's way
    bool operator==(const WayTraits&) const = default;
  };

  // Ranks ascending.
  Ports(PathTable& paths, const std::vector<sim::Rank>& ranks);

  const std::vector<sim::Rank>& ranks() const { return ranks_; }
  std::size_t size() const { return ranks_.size(); }

  // Whether the ways are known. The rest holds only then.
  bool known() const { return known_; }
  // Whether each way goes up and down by structure, and back as it went.
  bool by_structure() const { return known_ && by_structure_; }
  std::span<const WayTraits> ways() const { return ways_; }
  // The way from a place to each other, and to it from each other. Those of near places are kNear.
  const Way* from(std::size_t place) const { return from_class(way_class(place)); }
  const Way* to(std::size_t place) const { return to_class(way_class(place)); }
  // Places of one class have equal ways.
  std::size_t way_classes() const { return from_.size(); }
  std::size_t way_class(std::size_t place) const { return row_[place]; }
  const Way* from_class(std::size_t i) const { return from_[i].data(); }
  const Way* to_class(std::size_t i) const { return by_structure_ ? from_class(i) : to_[i].data(); }
  // Those near a rank, itself included, are the places [first, last).
  std::size_t first_near(std::size_t place) const { return near_[place].first; }
  std::size_t last_near(std::size_t place) const { return near_[place].second; }

  // Whether the only links that limit a way are the source's leave() and the destination's reach(),
  // and no two of those are one link.
  // The rest holds only then. Where a rank has no way of a kind the link is kNoLink.
  static constexpr LinkId kNoLink = ~LinkId{0};
  bool suffice() const { return known_ && suffice_; }
  const ByKind& leave(std::size_t place) const { return leave_[place]; }
  const ByKind& reach(std::size_t place) const { return reach_[place]; }

 private:
  bool find_near(const Topology& topology);
  bool find_ways(PathTable& paths);
  bool find_near_way(PathTable& paths, const std::vector<std::span<const Ascents::Rise>>& above);
  void find_links(const std::vector<std::span<const Ascents::Rise>>& above);
  bool are_different() const;
  bool look_up_ways(PathTable& paths);
  std::optional<Way> way_of(const WayTraits& traits);

  std::vector<sim::Rank> ranks_;
  std::vector<std::pair<std::size_t, std::size_t>> near_;
  std::vector<WayTraits> ways_{WayTraits{}};
  std::vector<std::uint32_t> row_;  // of each place: its class
  std::vector<std::vector<Way>> from_, to_;
  std::vector<ByKind> leave_, reach_;
  bool suffice_ = true, by_structure_ = false;
  bool known_;
};

}  // namespace moesim::hardware
