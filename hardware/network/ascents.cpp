#include "hardware/network/ascents.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "hardware/network/routes.h"

namespace moesim::hardware {

Ascents::Ascents(const Topology& topology, const std::vector<bool>& can_limit)
    : topology_(topology), can_limit_(can_limit) {
  if (!topology.layered) return;
  steps_.resize(topology.vertices.size());
  crooked_.resize(topology.vertices.size());
  above_.resize(topology.ranks());
  struct Half {  // one way between a vertex and one above it
    VertexId low, high;
    bool down;
    LinkId link;
  };
  std::vector<Half> halves;
  for (LinkId l = 0; l < topology.links.size(); ++l) {
    const auto& [from, to, capacity, latency, kind] = topology.links[l];
    if (!(capacity > sim::Bandwidth{})) continue;
    const bool down = topology.vertices[to].level < topology.vertices[from].level;
    halves.push_back({down ? to : from, down ? from : to, down, l});
  }
  const auto ends = [](const Half& half) { return std::pair(half.low, half.high); };
  std::stable_sort(halves.begin(), halves.end(), [&](const Half& a, const Half& b) {
    return std::pair(ends(a), a.down) < std::pair(ends(b), b.down);
  });
  for (std::size_t i = 0, end = 0; i < halves.size(); i = end) {
    while (end < halves.size() && ends(halves[end]) == ends(halves[i])) ++end;
    const bool pair = end - i == 2 && !halves[i].down && halves[i + 1].down;
    if (pair) steps_[halves[i].low].push_back({halves[i].link, halves[i + 1].link});
    if (!pair) crooked_[halves[i].low] = true;
  }
}

// Fewer links than one can count on one hand may limit; whether that is so.
bool Ascents::add_limits(Rise& rise) const {
  if (can_limit_[rise.up]) {
    if (rise.up_count == Rise::kMostLimits) return false;
    rise.up_limits[rise.up_count++] = rise.up;
  }
  if (can_limit_[rise.down]) {
    if (rise.down_count == Rise::kMostLimits) return false;
    std::copy_backward(rise.down_limits.begin(), rise.down_limits.begin() + rise.down_count,
                       rise.down_limits.begin() + rise.down_count + 1);
    rise.down_limits[0] = rise.down;
    ++rise.down_count;
  }
  return true;
}

std::vector<Ascents::Rise> Ascents::climb(VertexId device) const {
  std::vector<Rise> rises(1);
  rises[0].vertex = device;
  for (std::uint32_t i = 0; i < rises.size(); ++i) {
    if (crooked_[rises[i].vertex]) return std::vector<Rise>(1);
    for (const auto& [up, down] : steps_[rises[i].vertex]) {
      const VertexId vertex = topology_.links[up].to;
      const bool known = std::any_of(rises.begin(), rises.end(),
                                     [&](const Rise& r) { return r.vertex == vertex; });
      if (known || rises.size() == kMost) return std::vector<Rise>(1);
      Rise rise = rises[i];
      rise.vertex = vertex;
      rise.length += length_of(topology_.links[up].kind);
      rise.below = i;
      rise.up = up;
      rise.down = down;
      rise.up_latency += topology_.links[up].latency;
      rise.down_latency += topology_.links[down].latency;
      if (!add_limits(rise)) return std::vector<Rise>(1);
      rises.push_back(rise);
    }
  }
  return rises;
}

std::span<const Ascents::Rise> Ascents::above(sim::Rank rank) {
  if (!topology_.layered) return {};
  auto& rises = above_[rank];
  if (rises.empty()) rises = climb(topology_.devices[rank]);
  return std::span(rises).subspan(1);
}

Ascents::Meeting Ascents::meet(sim::Rank source, sim::Rank destination) {
  const auto ups = above(source), downs = above(destination);
  Meeting meeting;
  std::uint32_t least = std::numeric_limits<std::uint32_t>::max();
  for (const Rise& up : ups) {
    for (const Rise& down : downs) {
      if (up.vertex != down.vertex) continue;
      const std::uint32_t length = up.length + down.length;
      if (length < least) meeting = {&up, &down};
      if (length == least) meeting = {};  // one of several
      least = std::min(least, length);
    }
  }
  return meeting;
}

void Ascents::append_up(sim::Rank source, const Rise& top, std::vector<LinkId>& links) {
  const auto first = static_cast<std::ptrdiff_t>(links.size());
  for (const Rise* rise = &top; rise->length > 0; rise = &above_[source][rise->below]) {
    links.push_back(rise->up);
  }
  std::reverse(links.begin() + first, links.end());
}

void Ascents::append_down(const Rise& top, sim::Rank destination, std::vector<LinkId>& links) {
  for (const Rise* rise = &top; rise->length > 0; rise = &above_[destination][rise->below]) {
    links.push_back(rise->down);
  }
}

}  // namespace moesim::hardware
