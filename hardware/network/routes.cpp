#include "hardware/network/routes.h"

#include <algorithm>
#include <limits>

#include "hardware/network/analysis.h"
#include "hardware/network/limiting_links.h"
#include "sim/error.h"

namespace moesim::hardware {

namespace {

constexpr std::uint32_t kFar = std::numeric_limits<std::uint32_t>::max();

std::uint64_t mix(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

// The next links towards one destination, of each vertex: those on a shortest path.
struct Routes::Towards {
  std::vector<std::uint32_t> first;  // of each vertex in next, and the end
  std::vector<LinkId> next;
};

Routes::Routes(const Topology& topology)
    : topology_(topology),
      can_limit_(links_that_can_limit(topology)),
      ascents_(topology, can_limit_) {
  for (sim::Rank r = 0; r < topology.ranks(); ++r) {
    if (r == 0 || topology.node[r] != topology.node[r - 1]) {
      node_first_.resize(topology.node[r] + 1, r);
      node_first_[topology.node[r]] = r;
    }
  }
}

Routes::~Routes() = default;

// Distances by a search back from the destination, in buckets of length since all are small. A
// textbook Dijkstra with a heap takes ten times as long, once for each of a thousand destinations.
const Routes::Towards& Routes::towards(VertexId destination) {
  const auto& links = topology_.links;
  if (towards_.empty()) {
    towards_.resize(topology_.vertices.size());
    in_.resize(topology_.vertices.size());
    out_.resize(topology_.vertices.size());
    for (LinkId l = 0; l < links.size(); ++l) {
      if (!(links[l].capacity > sim::Bandwidth{})) continue;
      in_[links[l].to].push_back(l);
      out_[links[l].from].push_back(l);
    }
  }
  auto& slot = towards_[destination];
  if (slot) return *slot;
  std::vector<std::uint32_t> distance(topology_.vertices.size(), kFar);
  std::vector<std::vector<VertexId>> buckets(1, {destination});
  distance[destination] = 0;
  for (std::size_t d = 0; d < buckets.size(); ++d) {
    for (std::size_t i = 0; i < buckets[d].size(); ++i) {
      const VertexId v = buckets[d][i];
      if (distance[v] != d) continue;
      if (v != destination && topology_.vertices[v].kind == VertexKind::Device &&
          !topology_.devices_forward) {
        continue;  // the way may end here, not lead through
      }
      for (const LinkId l : in_[v]) {
        const auto further = static_cast<std::uint32_t>(d) + length_of(links[l].kind);
        if (further >= distance[links[l].from]) continue;
        distance[links[l].from] = further;
        if (buckets.size() <= further) buckets.resize(further + 1);
        buckets[further].push_back(links[l].from);
      }
    }
  }
  slot = std::make_unique<Towards>();
  slot->first.reserve(topology_.vertices.size() + 1);
  for (VertexId v = 0; v < topology_.vertices.size(); ++v) {
    slot->first.push_back(static_cast<std::uint32_t>(slot->next.size()));
    if (distance[v] == kFar || v == destination) continue;
    for (const LinkId l : out_[v]) {
      const VertexId to = links[l].to;
      if (distance[to] == kFar || distance[to] + length_of(links[l].kind) != distance[v]) continue;
      if (to != destination && topology_.vertices[to].kind == VertexKind::Device &&
          !topology_.devices_forward) {
        continue;
      }
      slot->next.push_back(l);
    }
  }
  slot->first.push_back(static_cast<std::uint32_t>(slot->next.size()));
  return *slot;
}

bool Routes::walk(sim::Rank source, sim::Rank destination, std::uint64_t hash,
                  std::vector<LinkId>& links) {
  if (const auto [up, down] = ascents_.meet(source, destination); up != nullptr) {
    ascents_.append_up(source, *up, links);
    ascents_.append_down(*down, destination, links);
    return true;
  }
  const std::size_t before = links.size();
  VertexId from = topology_.devices[source];
  const VertexId to = topology_.devices[destination];
  const Towards& table = towards(to);
  while (from != to) {
    const std::uint32_t first = table.first[from], end = table.first[from + 1];
    if (first == end) {
      links.resize(before);
      return false;
    }
    LinkId next = table.next[first];
    if (end - first > 1) {
      hash = mix(hash);
      next = table.next[first + hash % (end - first)];
    }
    links.push_back(next);
    from = topology_.links[next].to;
  }
  return true;
}

bool Routes::walk(std::initializer_list<sim::Rank> over, std::uint64_t hash,
                  std::vector<LinkId>& links) {
  const std::size_t before = links.size();
  for (const auto* rank = over.begin(); rank + 1 != over.end(); ++rank) {
    if (walk(rank[0], rank[1], hash, links)) continue;
    links.resize(before);
    return false;
  }
  return true;
}

// Begins at one that the hash picks, so that what one NIC carried is spread over the others.
std::vector<sim::Rank> Routes::others_of_node(sim::Rank rank, std::uint64_t hash) const {
  std::vector<sim::Rank> others;
  const std::uint32_t node = topology_.node[rank];
  for (sim::Rank r = node_first_[node]; r < topology_.ranks() && topology_.node[r] == node; ++r) {
    if (r != rank) others.push_back(r);
  }
  if (!others.empty()) {
    const auto first = static_cast<std::ptrdiff_t>(mix(hash) % others.size());
    std::rotate(others.begin(), others.begin() + first, others.end());
  }
  return others;
}

bool Routes::reroute(sim::Rank source, sim::Rank destination, std::uint64_t hash,
                     std::vector<LinkId>& links) {
  if (!topology_.reroutes || topology_.node[source] == topology_.node[destination]) return false;
  const std::vector<sim::Rank> senders = others_of_node(source, hash),
                               receivers = others_of_node(destination, hash);
  for (const sim::Rank sender : senders) {
    if (walk({source, sender, destination}, hash, links)) return true;
  }
  for (const sim::Rank receiver : receivers) {
    if (walk({source, receiver, destination}, hash, links)) return true;
  }
  for (const sim::Rank sender : senders) {
    for (const sim::Rank receiver : receivers) {
      if (topology_.rail[sender] != topology_.rail[receiver]) continue;
      if (walk({source, sender, receiver, destination}, hash, links)) return true;
    }
  }
  return false;
}

void Routes::path(sim::Rank source, sim::Rank destination, std::vector<LinkId>& links) {
  if (source == destination) return;
  const std::uint64_t hash = (std::uint64_t{source} << 32) | destination;
  const std::size_t before = links.size();
  sim::Rank from = source;
  if (topology_.rail_forwarding && topology_.node[source] != topology_.node[destination] &&
      topology_.rail[source] != topology_.rail[destination]) {
    const std::uint32_t node = topology_.node[source];
    for (sim::Rank r = node_first_[node]; r < topology_.ranks() && topology_.node[r] == node; ++r) {
      if (topology_.rail[r] == topology_.rail[destination] && walk(source, r, hash, links))
        from = r;
    }
  }
  if (walk(from, destination, hash, links)) return;
  links.resize(before);
  if (walk(source, destination, hash, links) || reroute(source, destination, hash, links)) return;
  throw sim::InfeasibleError(
      describe_cut(topology_, topology_.devices[source], topology_.devices[destination]));
}

}  // namespace moesim::hardware
