#include "hardware/network/traffic.h"

#include <algorithm>
#include <cmath>

namespace moesim::hardware {

namespace {

// What counts for as much as one byte of an exchange between those two.
double factor_of(const sim::Exchange& exchange, bool near) {
  return near ? exchange.near.factor : exchange.far.factor;
}

void add_at(std::vector<double>& sums, std::size_t at, double bytes) {
  if (sums.size() <= at) sums.resize(at + 1);
  sums[at] += bytes;
}

}  // namespace

void Traffic::add(const sim::Exchange& exchange) {
  add_transfers(exchange);
  if (!exchange.messages.counts) return;
  if (network_.ports_of(exchange.participants).by_structure()) {
    add_messages(exchange);
  } else {
    add_pairs(exchange);
  }
}

void Traffic::add_transfers(const sim::Exchange& exchange) {
  const Topology& topology = network_.topology();
  Ascents& ascents = network_.paths().ascents();
  Turned* turned = nullptr;  // of the last source: transfers often come source by source
  sim::Rank last = 0;
  for (const sim::Transfer& t : exchange.transfers) {
    if (t.source == t.destination) continue;
    const bool near = topology.node[t.source] == topology.node[t.destination];
    const double bytes = static_cast<double>(t.bytes.count()) * factor_of(exchange, near);
    const auto [up, down] = network_.paths().by_structure() ? ascents.meet(t.source, t.destination)
                                                            : Ascents::Meeting{};
    if (up == nullptr) {
      pairs_[{t.destination, t.source}] += bytes;
      continue;
    }
    if (turned == nullptr || last != t.source) turned = &turned_[t.source];
    last = t.source;
    add_at(turned->up, ascents.place_of(t.source, *up), bytes);
    add_at(turned_[t.destination].down, ascents.place_of(t.destination, *down), bytes);
  }
}

void Traffic::add_messages(const sim::Exchange& exchange) {
  const Ports& ports = network_.ports_of(exchange.participants);
  const MatrixSums& sums = network_.sums_of(exchange.messages, ports);
  const std::size_t n = ports.size();
  const auto [known, is_new] = place_of_group_.try_emplace(&ports, groups_.size());
  if (is_new) {
    const Bytes none(n * ports.ways().size());
    groups_.push_back({&ports, none, none});
  }
  OfGroup& group = groups_[known->second];
  const auto message = static_cast<double>(exchange.messages.size.count());
  for (std::size_t way = 0; way < ports.ways().size(); ++way) {
    const double bytes = message * factor_of(exchange, way == Ports::kNear);
    for (std::size_t i = way * n; i < (way + 1) * n; ++i) {
      group.sent[i] += static_cast<double>(sums.sent[i]) * bytes;
      group.received[i] += static_cast<double>(sums.received[i]) * bytes;
    }
  }
}

void Traffic::add_pairs(const sim::Exchange& exchange) {
  const auto& [counts, size, back] = exchange.messages;
  const auto& ranks = exchange.participants;
  const auto& node = network_.topology().node;
  Bytes& matrix = matrices_[ranks];
  matrix.resize(ranks.size() * ranks.size());
  const std::size_t next_source = back ? 1 : ranks.size(), next = back ? ranks.size() : 1;
  const auto message = static_cast<double>(size.count());
  std::vector<double> factors(ranks.size());  // of each destination
  for (std::size_t s = 0; s < ranks.size(); ++s) {
    if (s == 0 || node[ranks[s]] != node[ranks[s - 1]]) {
      for (std::size_t d = 0; d < ranks.size(); ++d) {
        factors[d] = factor_of(exchange, node[ranks[s]] == node[ranks[d]]);
      }
    }
    const std::uint32_t* count = counts->data() + s * next_source;
    double* const sums = matrix.data() + s * ranks.size();
    for (std::size_t d = 0; d < ranks.size(); ++d, count += next) {
      sums[d] += *count * message * factors[d];
    }
    sums[s] = 0;  // what stays at home takes no link
  }
}

// From a rank up to where its bytes turn, or down from there.
void Traffic::climb(sim::Rank rank, std::size_t top, double bytes, bool up,
                    std::vector<OnLink>& carried) const {
  if (!(bytes > 0)) return;
  const auto above = network_.paths().ascents().above(rank);
  for (std::size_t at = top; at > 0; at = above[at - 1].below) {
    carried.push_back({up ? above[at - 1].up : above[at - 1].down, bytes});
  }
}

std::vector<LinkUse> Traffic::link_use() const {
  std::vector<OnLink> carried;
  for (const auto& [rank, turned] : turned_) {
    for (std::size_t at = 1; at < turned.up.size(); ++at) {
      climb(rank, at, turned.up[at], true, carried);
    }
    for (std::size_t at = 1; at < turned.down.size(); ++at) {
      climb(rank, at, turned.down[at], false, carried);
    }
  }
  for (const OfGroup& group : groups_) {
    const std::size_t n = group.ports->size();
    for (std::size_t way = 0; way < group.ports->ways().size(); ++way) {
      const auto& [up, down, latency] = group.ports->ways()[way];
      for (std::size_t p = 0; p < n; ++p) {
        const sim::Rank rank = group.ports->ranks()[p];
        climb(rank, up, group.sent[way * n + p], true, carried);
        climb(rank, down, group.received[way * n + p], false, carried);
      }
    }
  }
  const auto over = [&](sim::Rank source, sim::Rank destination, double bytes) {
    if (!(bytes > 0)) return;
    for (const LinkId l : network_.paths().all_links(source, destination)) {
      carried.push_back({l, bytes});
    }
  };
  for (const auto& [pair, bytes] : pairs_) over(pair.second, pair.first, bytes);
  for (const auto& [ranks, matrix] : matrices_) {
    const std::size_t n = ranks.size();
    for (std::size_t d = 0; d < n; ++d) {  // all ways to one destination are found in one table
      for (std::size_t s = 0; s < n; ++s) over(ranks[s], ranks[d], matrix[s * n + d]);
    }
  }
  std::stable_sort(carried.begin(), carried.end(),
                   [](const OnLink& a, const OnLink& b) { return a.link < b.link; });
  const Topology& topology = network_.topology();
  std::vector<LinkUse> uses;
  for (std::size_t i = 0, end = 0; i < carried.size(); i = end) {
    double sum = 0;
    for (; end < carried.size() && carried[end].link == carried[i].link; ++end) {
      sum += carried[end].bytes;
    }
    const Link& link = topology.links[carried[i].link];
    const sim::Bytes bytes(std::llround(sum));
    if (bytes == sim::Bytes{}) continue;
    uses.push_back({carried[i].link, topology.link_name(carried[i].link), link.kind, bytes,
                    bytes / link.capacity, link.capacity});
  }
  return uses;
}

}  // namespace moesim::hardware
