// What plays on one cluster share, made once: paths, the ports of groups of ranks, the closed form.
// Memory and time follow the ranks that talk, but for a few numbers for each link.
//
// One play at a time: a network remembers what it was asked.
#pragma once

#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "hardware/network/bound_times.h"
#include "hardware/network/matrix_sums.h"
#include "hardware/network/path_table.h"
#include "hardware/network/ports.h"

namespace moesim::hardware {

class ClusterNetwork {
 public:
  explicit ClusterNetwork(std::shared_ptr<const Topology> topology);
  ClusterNetwork(const ClusterNetwork&) = delete;
  ClusterNetwork& operator=(const ClusterNetwork&) = delete;

  const Topology& topology() const { return paths_.topology(); }
  PathTable& paths() { return paths_; }
  // Valid as long as this. Ranks ascending.
  const Ports& ports_of(const std::vector<sim::Rank>& ranks);
  // Valid until the next question. REQUIRES: the ports' ways are known
  const MatrixSums& sums_of(const sim::Messages& messages, const Ports& ports) {
    return sums_.of(messages, ports);
  }
  BoundTimes& bound_times() { return bound_times_; }

 private:
  using Outline = std::tuple<std::size_t, sim::Rank, sim::Rank>;  // how many, the first, the last
  PathTable paths_;
  std::multimap<Outline, Ports> ports_;
  RecentSums sums_;
  BoundTimes bound_times_;
};

}  // namespace moesim::hardware
