// The bytes that each pair of ranks has put on the wire, and from them those of every link.
#pragma once

#include <vector>

#include "hardware/network/network_model.h"
#include "hardware/network/path_table.h"

namespace moesim::hardware {

class Traffic {
 public:
  explicit Traffic(sim::Rank ranks) : rows_(ranks) {}
  void add(sim::Rank source, sim::Rank destination, double wire_bytes) {
    auto& row = rows_[source];
    if (row.empty()) row.resize(rows_.size());
    row[destination] += wire_bytes;
  }
  std::vector<LinkUse> link_use(PathTable& paths) const;

 private:
  std::vector<std::vector<double>> rows_;  // of each source; empty where it sent nothing
};

}  // namespace moesim::hardware
