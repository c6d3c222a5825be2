#include "hardware/network/traffic.h"

#include <cmath>

namespace moesim::hardware {

std::vector<double>& Traffic::row(sim::Rank source) {
  auto& row = rows_[source];
  if (row.empty()) row.resize(rows_.size());
  return row;
}

void Traffic::add(const sim::Exchange& exchange, const Topology& topology) {
  const auto factor = [&](sim::Rank source, sim::Rank destination) {
    const bool near = topology.node[source] == topology.node[destination];
    return near ? exchange.near.factor : exchange.far.factor;
  };
  for (const sim::Transfer& t : exchange.transfers) {
    if (t.source == t.destination) continue;
    row(t.source)[t.destination] +=
        static_cast<double>(t.bytes.count()) * factor(t.source, t.destination);
  }
  const auto& [counts, size, back] = exchange.messages;
  if (!counts) return;
  const auto& ranks = exchange.participants;
  const std::size_t next_source = back ? 1 : ranks.size(), next = back ? ranks.size() : 1;
  const auto message = static_cast<double>(size.count());
  std::vector<double> factors(ranks.size());  // of each destination
  for (std::size_t s = 0; s < ranks.size(); ++s) {
    if (s == 0 || topology.node[ranks[s]] != topology.node[ranks[s - 1]]) {
      for (std::size_t d = 0; d < ranks.size(); ++d) factors[d] = factor(ranks[s], ranks[d]);
    }
    const std::uint32_t* count = counts->data() + s * next_source;
    double* const sums = row(ranks[s]).data();
    const double own = sums[ranks[s]];
    for (std::size_t d = 0; d < ranks.size(); ++d, count += next) {
      sums[ranks[d]] += *count * message * factors[d];
    }
    sums[ranks[s]] = own;  // what stays at home takes no link
  }
}

std::vector<LinkUse> Traffic::link_use(PathTable& paths) const {
  const Topology& topology = paths.topology();
  std::vector<double> carried(topology.links.size(), 0);
  // All ways to one destination are found in one table.
  for (sim::Rank destination = 0; destination < rows_.size(); ++destination) {
    for (sim::Rank source = 0; source < rows_.size(); ++source) {
      const double bytes = rows_[source].empty() ? 0 : rows_[source][destination];
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
