#include "hardware/network/path_table.h"

namespace moesim::hardware {

PathTable::PathTable(std::shared_ptr<const Topology> topology)
    : topology_(std::move(topology)), routes_(*topology_), rows_(topology_->ranks()) {}

void PathTable::look_up(sim::Rank source, sim::Rank destination, Path& path) {
  scratch_.clear();
  routes_.path(source, destination, scratch_);
  sim::Duration latency{};
  std::size_t limiting = 0;
  for (const LinkId l : scratch_) {
    latency += topology_->links[l].latency;
    if (routes_.can_limit()[l]) scratch_[limiting++] = l;
  }
  if (limiting > 2) {
    path.links[0] = Path::kMore;
    path.links[1] = static_cast<std::uint32_t>(more_.size());
    more_.push_back(static_cast<LinkId>(limiting));
    more_.insert(more_.end(), scratch_.begin(),
                 scratch_.begin() + static_cast<std::ptrdiff_t>(limiting));
  } else {
    if (limiting > 0) path.links[0] = scratch_[0];
    if (limiting > 1) path.links[1] = scratch_[1];
  }
  path.latency = latency;
}

std::span<const LinkId> PathTable::all_links(sim::Rank source, sim::Rank destination) {
  scratch_.clear();
  routes_.path(source, destination, scratch_);
  return scratch_;
}

}  // namespace moesim::hardware
