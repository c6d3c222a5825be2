#include "hardware/network/path_table.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace moesim::hardware {

PathTable::PathTable(std::shared_ptr<const Topology> topology)
    : topology_(std::move(topology)),
      routes_(*topology_),
      by_structure_(topology_->layered && !topology_->rail_forwarding) {}

const PathTable::Path& PathTable::looked_up(sim::Rank source, sim::Rank destination) {
  const std::uint64_t pair = (std::uint64_t{source} << 32) | destination;
  if (const auto known = paths_.find(pair); known != paths_.end()) return known->second;
  Path path;
  for (const LinkId l : all_links(source, destination)) {
    path.latency += topology_->links[l].latency;
    if (!routes_.can_limit()[l]) continue;
    if (path.count < Path::kRoom) path.links[path.count] = l;
    ++path.count;
  }
  if (path.count > Path::kRoom) {
    path.elsewhere = static_cast<std::uint32_t>(more_.size());
    std::copy_if(scratch_.begin(), scratch_.end(), std::back_inserter(more_),
                 [&](LinkId l) { return routes_.can_limit()[l]; });
  }
  return paths_.emplace(pair, path).first->second;
}

std::span<const LinkId> PathTable::all_links(sim::Rank source, sim::Rank destination) {
  scratch_.clear();
  routes_.path(source, destination, scratch_);
  return scratch_;
}

}  // namespace moesim::hardware
