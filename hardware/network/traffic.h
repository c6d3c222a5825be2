// The bytes that each pair of ranks has put on the wire, and from them those of every link.
#pragma once

#include <vector>

#include "hardware/network/network_model.h"
#include "hardware/network/path_table.h"

namespace moesim::hardware {

class Traffic {
 public:
  explicit Traffic(sim::Rank ranks) : rows_(ranks) {}
  // All that the exchange moves.
  void add(const sim::Exchange& exchange, const Topology& topology);
  std::vector<LinkUse> link_use(PathTable& paths) const;

 private:
  std::vector<double>& row(sim::Rank source);

  std::vector<std::vector<double>> rows_;  // of each source; empty where it sent nothing
};

}  // namespace moesim::hardware
