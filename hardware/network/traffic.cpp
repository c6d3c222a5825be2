#include "hardware/network/traffic.h"

#include <cmath>

namespace moesim::hardware {

void Traffic::add(const sim::Exchange& exchange, const Topology& topology) {
  sim::for_each_transfer(exchange, [&](const sim::Transfer& t) {
    const bool near = topology.node[t.source] == topology.node[t.destination];
    auto& row = rows_[t.source];
    if (row.empty()) row.resize(rows_.size());
    row[t.destination] +=
        static_cast<double>(t.bytes.count()) * (near ? exchange.near.factor : exchange.far.factor);
  });
}

std::vector<LinkUse> Traffic::link_use(PathTable& paths) const {
  const Topology& topology = paths.topology();
  std::vector<double> carried(topology.links.size(), 0);
  for (sim::Rank source = 0; source < rows_.size(); ++source) {
    for (sim::Rank destination = 0; destination < rows_[source].size(); ++destination) {
      const double bytes = rows_[source][destination];
      if (!(bytes > 0)) continue;
      for (const LinkId l : paths.all_links(source, destination)) carried[l] += bytes;
    }
  }
  std::vector<LinkUse> uses;
  uses.reserve(carried.size());
  for (LinkId l = 0; l < carried.size(); ++l) {
    const Link& link = topology.links[l];
    const sim::Bytes bytes(std::llround(carried[l]));
    uses.push_back({topology.link_name(l), link.kind, bytes,
                    bytes == sim::Bytes{} ? sim::Duration{} : bytes / link.capacity,
                    link.capacity});
  }
  return uses;
}

}  // namespace moesim::hardware
