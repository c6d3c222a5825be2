// Links by level, lowest first; at equal levels by their number. A tournament: each match keeps its
// winner, and a changed level replays only the matches on its way up. Their other sides are known
// beforehand and no comparison is a branch, so a replay takes a few cycles a match.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace moesim::sim {

class LowestFirst {
 public:
  using Link = std::uint32_t;
  static constexpr Link kNone = ~Link{0};

  // Forgets what there was. Levels are not NaN.
  template <class LevelOf>
  void assign(std::span<const Link> links, LevelOf level_of) {
    places_ = std::bit_ceil(links.size());
    matches_.assign(2 * places_, Entry{});
    for (std::size_t i = 0; i < links.size(); ++i) {
      matches_[places_ + i] = {ordered(level_of(links[i])), named(links[i], i)};
    }
    for (std::size_t i = places_; i-- > 1;) {
      matches_[i] = lower(matches_[2 * i], matches_[2 * i + 1]);
    }
  }

  // The lowest; kNone when all have been dropped. REQUIRES of all: assigned
  Link top() const { return static_cast<Link>(matches_[1].name >> 32); }
  double top_level() const {
    const std::int64_t key = matches_[1].key;
    return std::bit_cast<double>(key < 0 ? key ^ kMagnitude : key);
  }
  void change_top(double level) { replay({ordered(level), matches_[1].name}); }
  void drop_top() { replay({Entry{}.key, named(kNone, matches_[1].name & kPlace)}); }

 private:
  static constexpr std::int64_t kMagnitude = std::numeric_limits<std::int64_t>::max();
  static constexpr std::uint64_t kPlace = 0xffffffffu;
  // Whole numbers in the order of the levels.
  static std::int64_t ordered(double level) {
    const auto bits = std::bit_cast<std::int64_t>(level);
    return bits < 0 ? bits ^ kMagnitude : bits;
  }
  static std::uint64_t named(Link link, std::size_t place) {
    return (std::uint64_t{link} << 32) | place;
  }
  struct Entry {
    std::int64_t key = std::bit_cast<std::int64_t>(std::numeric_limits<double>::infinity());
    std::uint64_t name = ~std::uint64_t{0};  // link, place among the leaves
  };

  static Entry lower(const Entry& a, const Entry& b) {
    const bool second = (b.key < a.key) | ((b.key == a.key) & (b.name < a.name));
    const std::uint64_t mask = -std::uint64_t{second};
    return {a.key ^ ((a.key ^ b.key) & static_cast<std::int64_t>(mask)),
            a.name ^ ((a.name ^ b.name) & mask)};
  }
  void replay(Entry entry) {
    std::size_t at = places_ + (entry.name & kPlace);
    matches_[at] = entry;
    for (; at > 1; at /= 2) {
      entry = lower(entry, matches_[at ^ 1]);
      matches_[at / 2] = entry;
    }
  }

  std::size_t places_ = 0;
  std::vector<Entry> matches_;  // 1: the last; 2i and 2i + 1 meet in i; from places_: the links
};

}  // namespace moesim::sim
