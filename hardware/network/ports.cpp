#include "hardware/network/ports.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <tuple>

namespace moesim::hardware {

namespace {

using Above = std::vector<std::span<const Ascents::Rise>>;

// Whether it is that link, or becomes it.
bool is_or_becomes(LinkId& link, LinkId that) {
  if (link == Ports::kNoLink) link = that;
  return link == that;
}

// What lies above a rank beyond its node: ranks with the same have the same ways to others.
using Beyond =
    std::vector<std::tuple<std::uint32_t, VertexId, std::uint32_t, std::int64_t, std::int64_t>>;

Beyond beyond(const Topology& topology, std::span<const Ascents::Rise> above) {
  Beyond result;
  for (std::uint32_t i = 0; i < above.size(); ++i) {
    const Ascents::Rise& rise = above[i];
    if (topology.vertices[rise.vertex].level < 2) continue;
    result.emplace_back(i, rise.vertex, rise.length, rise.up_latency.count(),
                        rise.down_latency.count());
  }
  return result;
}

std::uint32_t place_of(std::span<const Ascents::Rise> above, const Ascents::Rise* rise) {
  return static_cast<std::uint32_t>(rise - above.data()) + 1;
}

}  // namespace

Ports::Ports(PathTable& paths, const std::vector<sim::Rank>& ranks)
    : ranks_(ranks),
      row_(ranks.size()),
      leave_(ranks.size(), ByKind{kNoLink, kNoLink}),
      reach_(leave_),
      known_(find_near(paths.topology()) && (find_ways(paths) || look_up_ways(paths))) {
  suffice_ = suffice_ && are_different();
}

bool Ports::are_different() const {
  std::vector<LinkId> links;
  for (const auto* side : {&leave_, &reach_}) {
    for (const ByKind& of : *side) links.insert(links.end(), of.begin(), of.end());
  }
  std::erase(links, kNoLink);
  std::sort(links.begin(), links.end());
  return std::adjacent_find(links.begin(), links.end()) == links.end();
}

bool Ports::find_near(const Topology& topology) {
  const auto node = [&](std::size_t place) { return topology.node[ranks_[place]]; };
  std::vector<std::uint32_t> nodes;
  for (std::size_t first = 0, last = 0; first < ranks_.size(); first = last) {
    while (last < ranks_.size() && node(last) == node(first)) ++last;
    nodes.push_back(node(first));
    near_.resize(last, {first, last});
  }
  std::sort(nodes.begin(), nodes.end());
  return std::adjacent_find(nodes.begin(), nodes.end()) == nodes.end();
}

std::optional<Ports::Way> Ports::way_of(const WayTraits& traits) {
  const auto found = std::find(ways_.begin() + 1, ways_.end(), traits);
  const auto way = static_cast<std::size_t>(found - ways_.begin());
  if (found == ways_.end()) {
    if (way > std::numeric_limits<Way>::max()) return std::nullopt;
    ways_.push_back(traits);
  }
  return static_cast<Way>(way);
}

// All near pairs have one way.
bool Ports::find_near_way(PathTable& paths, const Above& above) {
  for (std::size_t s = 0; s < size(); ++s) {
    for (std::size_t d = near_[s].first; d < near_[s].second; ++d) {
      if (s == d) continue;
      const auto [up, down] = paths.ascents().meet(ranks_[s], ranks_[d]);
      if (up == nullptr) return false;
      const WayTraits way{place_of(above[s], up), place_of(above[d], down),
                          (up->up_latency + down->down_latency).count()};
      if (ways_[kNear].latency < 0) ways_[kNear] = way;
      if (ways_[kNear] != way || way.up != way.down) return false;
    }
  }
  return true;
}

// By structure. Ranks under the same switches have the same ways, so one pair of them stands for
// all; false where a path is not by structure.
bool Ports::find_ways(PathTable& paths) {
  if (!paths.by_structure()) return false;
  Above above;
  struct Alike {  // ranks with the same beyond; two of different nodes, where there are two
    std::size_t first, second;
  };
  std::vector<Alike> alikes;
  std::map<Beyond, std::uint32_t> rows;
  for (std::size_t p = 0; p < size(); ++p) {
    above.push_back(paths.ascents().above(ranks_[p]));
    if (above[p].empty()) return false;
    const auto [found, is_new] = rows.try_emplace(beyond(paths.topology(), above[p]),
                                                  static_cast<std::uint32_t>(rows.size()));
    row_[p] = found->second;
    if (is_new) alikes.push_back({p, p});
    Alike& alike = alikes[row_[p]];
    if (near_[alike.second].first == near_[alike.first].first) alike.second = p;
  }
  if (!find_near_way(paths, above)) return false;
  const auto far_pair = [&](const Alike& a, const Alike& b) {
    for (const std::size_t s : {a.first, a.second}) {
      for (const std::size_t d : {b.first, b.second}) {
        if (near_[s].first != near_[d].first) return std::optional(std::pair(s, d));
      }
    }
    return std::optional<std::pair<std::size_t, std::size_t>>();
  };
  std::vector<Way> way(alikes.size());  // to ranks of each row
  for (const Alike& from : alikes) {
    for (std::size_t row = 0; row < alikes.size(); ++row) {
      const auto pair = far_pair(from, alikes[row]);
      if (!pair) continue;
      const auto [s, d] = *pair;
      const auto [up, down] = paths.ascents().meet(ranks_[s], ranks_[d]);
      if (up == nullptr) return false;
      const auto found = way_of({place_of(above[s], up), place_of(above[d], down),
                                 (up->up_latency + down->down_latency).count()});
      // What comes back turns at the same rises: of a way whose two sides differ nothing is said.
      if (!found || ways_[*found].up != ways_[*found].down ||
          up->up_latency + down->down_latency != down->up_latency + up->down_latency) {
        return false;
      }
      way[row] = *found;
    }
    auto& ways = from_.emplace_back(size());
    for (std::size_t d = 0; d < size(); ++d) ways[d] = way[row_[d]];
  }
  by_structure_ = true;
  find_links(above);
  return true;
}

// The links by which each rank's ways leave it and reach it.
void Ports::find_links(const Above& above) {
  std::vector<std::vector<Way>> used(from_.size());
  for (std::size_t row = 0; row < from_.size(); ++row) {
    used[row] = from_[row];
    std::sort(used[row].begin(), used[row].end());
    used[row].erase(std::unique(used[row].begin(), used[row].end()), used[row].end());
  }
  const auto one = [&](std::size_t place, Way way, std::size_t kind) {
    if (ways_[way].latency < 0) return;
    const Ascents::Rise& rise = above[place][ways_[way].up - 1];
    suffice_ = suffice_ && rise.up_count == 1 && rise.down_count == 1 &&
               is_or_becomes(leave_[place][kind], rise.up_limits[0]) &&
               is_or_becomes(reach_[place][kind], rise.down_limits[0]);
  };
  for (std::size_t p = 0; p < size(); ++p) {
    if (near_[p].second - near_[p].first > 1) one(p, kNear, 0);
    for (const Way way : used[row_[p]]) {
      if (way != kNear) one(p, way, 1);
    }
  }
}

// Pair by pair; a way is then what takes as long. Ways are known where only ports limit.
bool Ports::look_up_ways(PathTable& paths) {
  const std::size_t n = size();
  ways_.resize(1);
  ways_[kNear] = {};
  by_structure_ = false;
  from_.assign(n, std::vector<Way>(n));
  to_ = from_;
  for (std::size_t d = 0; d < n; ++d) {  // all ways to one destination are found in one table
    row_[d] = static_cast<std::uint32_t>(d);
    for (std::size_t s = 0; s < n; ++s) {
      if (s == d) continue;
      const PathTable::Path path = paths.path(ranks_[s], ranks_[d]);
      const auto links = paths.limiting_links(path);
      const bool near = near_[s].first == near_[d].first;
      const std::size_t kind = near ? 0 : 1;
      if (links.size() != 2 || !is_or_becomes(leave_[s][kind], links[0]) ||
          !is_or_becomes(reach_[d][kind], links[1])) {
        return false;
      }
      const WayTraits traits{0, 0, path.latency.count()};
      if (near && ways_[kNear].latency < 0) ways_[kNear] = traits;
      const auto way = near ? std::optional(kNear) : way_of(traits);
      if (!way || ways_[*way] != traits) return false;
      from_[s][d] = to_[d][s] = *way;
    }
  }
  return true;
}

}  // namespace moesim::hardware
