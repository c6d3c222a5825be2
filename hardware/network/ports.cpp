#include "hardware/network/ports.h"

#include <limits>

namespace moesim::hardware {

namespace {

constexpr LinkId kUnknown = ~LinkId{0};

// Whether it is that link, or becomes it.
bool is_or_becomes(LinkId& link, LinkId that) {
  if (link == kUnknown) link = that;
  return link == that;
}

}  // namespace

Ports::Ports(PathTable& paths, const std::vector<sim::Rank>& ranks)
    : ranks_(ranks),
      leave_(ranks.size(), ByKind{kUnknown, kUnknown}),
      reach_(leave_),
      suffice_(find_near(paths.topology()) && find_links(paths)) {}

bool Ports::find_near(const Topology& topology) {
  const auto node = [&](std::size_t place) { return topology.node[ranks_[place]]; };
  std::vector<bool> seen(topology.ranks(), false);  // nodes are at most as many as ranks
  for (std::size_t first = 0, last = 0; first < ranks_.size(); first = last) {
    while (last < ranks_.size() && node(last) == node(first)) ++last;
    if (seen[node(first)]) return false;
    seen[node(first)] = true;
    near_.resize(last, {first, last});
  }
  return true;
}

bool Ports::find_links(PathTable& paths) {
  const std::size_t n = ranks_.size();
  from_.assign(n * n, 0);
  to_.assign(n * n, 0);
  // All ways to one destination are found in one table.
  for (std::size_t d = 0; d < n; ++d) {
    for (std::size_t s = 0; s < n; ++s) {
      if (s == d) continue;
      const PathTable::Path& path = paths.path(ranks_[s], ranks_[d]);
      const auto links = paths.limiting_links(path);
      const std::size_t kind = near_[s].first == near_[d].first ? 0 : 1;
      if (links.size() != 2 || !is_or_becomes(leave_[s][kind], links[0]) ||
          !is_or_becomes(reach_[d][kind], links[1]) ||
          path.latency.count() >= std::numeric_limits<std::uint32_t>::max()) {
        return false;
      }
      from_[s * n + d] = to_[d * n + s] = static_cast<std::uint32_t>(path.latency.count());
    }
  }
  return true;
}

}  // namespace moesim::hardware
