#include "workloads/training/slow_links.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "hardware/network/play.h"
#include "hardware/network/topology.h"
#include "workloads/training/expert_group.h"

namespace moesim::workloads {
namespace {

using hardware::Link;
using hardware::Topology;

// Whether all links of a kind are as fast, and NICs and links within nodes as the file says: it is
// quickly asked, and then no fault is there to be looked for.
bool all_alike(const hardware::Cluster& cluster) {
  std::map<hardware::LinkKind, sim::Bandwidth> of;
  for (const Link& link : cluster.topology->links)
    if (of.emplace(link.kind, link.capacity).first->second != link.capacity) return false;
  const auto is = [&](hardware::LinkKind kind, sim::Bandwidth capacity) {
    const auto found = of.find(kind);
    return found == of.end() || found->second == capacity;
  };
  return is(hardware::LinkKind::Nic, cluster.scale_out.bandwidth) &&
         is(hardware::LinkKind::Torus, cluster.scale_out.bandwidth) &&
         is(hardware::LinkKind::ScaleUp, cluster.scale_up.bandwidth);
}

// With every link as the file describes it; none where all are.
std::shared_ptr<const Topology> described(const hardware::Cluster& cluster) {
  if (all_alike(cluster)) return nullptr;
  const Topology& actual = *cluster.topology;
  std::vector<bool> absent(actual.vertices.size(), false);
  for (std::size_t v = 0; v < absent.size(); ++v)
    absent[v] = actual.vertices[v].kind == hardware::VertexKind::Device;
  for (const hardware::VertexId v : actual.devices) absent[v] = false;
  const auto built = hardware::make_topology(cluster);
  auto whole = std::make_shared<Topology>(actual);
  bool any = false;
  for (std::size_t i = 0; i < actual.links.size(); ++i) {
    Link& link = whole->links[i];
    if (absent[link.from] || absent[link.to]) continue;
    sim::Bandwidth capacity = link.capacity;
    if (i < built->links.size()) {
      capacity = built->links[i].capacity;
    } else if (actual.reroutes && link.capacity == sim::Bandwidth{}) {
      for (const Link& other : actual.links)  // of its kind
        if (other.kind == link.kind) capacity = std::max(capacity, other.capacity);
    }
    any = any || link.capacity < capacity;
    link.capacity = std::max(link.capacity, capacity);
  }
  whole->reroutes = false;
  return any ? whole : nullptr;
}

// Of all pairs of a group, a MiB each.
sim::Exchange all_pairs(std::vector<Rank> ranks) {
  sim::Exchange exchange;
  for (const Rank source : ranks)
    for (const Rank destination : ranks)
      if (source != destination)
        exchange.transfers.push_back({source, destination, sim::Bytes(1 << 20)});
  std::ranges::sort(ranks);
  exchange.participants = std::move(ranks);
  return exchange;
}

}  // namespace

SlowLinks::SlowLinks(const hardware::Cluster& cluster) {
  const auto whole = described(cluster);
  if (whole == nullptr) return;
  actual_ = std::make_unique<hardware::ClusterNetwork>(cluster.topology);
  described_ = std::make_unique<hardware::ClusterNetwork>(whole);
}

sim::Duration SlowLinks::more(std::span<const sim::Exchange> together) const {
  if (!any() || together.empty()) return {};
  sim::Exchange all = together.front();
  for (const sim::Exchange& other : together.subspan(1)) {
    all.participants.insert(all.participants.end(), other.participants.begin(),
                            other.participants.end());
    all.transfers.insert(all.transfers.end(), other.transfers.begin(), other.transfers.end());
  }
  std::ranges::sort(all.participants);
  const auto time = [&](hardware::ClusterNetwork& network) {
    return hardware::play_exchange(network, all, hardware::Fidelity::Bound).completion;
  };
  return std::max(sim::Duration{}, time(*actual_) - time(*described_));
}

std::string slow_links_problem(const Deployment& deployment) {
  const Parallelism& p = deployment.layout;
  const std::int64_t group = group_ranks(p) / (p.tp * p.cp);  // its dp ranks
  if (group_ranks(p) == 1 || p.gpus() > deployment.cluster.ranks()) return {};
  const SlowLinks slow(deployment.cluster);
  if (!slow.any()) return {};
  const RankLayout layout(p);
  std::optional<sim::Duration> first;
  for (std::int64_t pp = 0; pp < p.pp; ++pp) {
    for (std::int64_t from = 0; from < p.dp; from += group) {
      std::vector<Rank> ranks;
      for (std::int64_t dp = from; dp < from + group; ++dp)
        for (std::int64_t cp = 0; cp < p.cp; ++cp)
          for (std::int64_t tp = 0; tp < p.tp; ++tp)
            ranks.push_back(
                layout.rank_of(DenseCoordinate{.tp = tp, .cp = cp, .dp = dp, .pp = pp}));
      const auto [least, most] = std::ranges::minmax(ranks);
      const sim::Exchange pairs = all_pairs(std::move(ranks));
      const sim::Duration more = slow.more(std::span(&pairs, 1));
      if (!first) first = more;
      if (more > *first)
        return fmt::format(
            "training plays what ranks exchange within a layer on the first expert group, ranks 0 "
            "to {}, and a fault slows links of the group of ranks {} to {}: at the first group's "
            "links it would be played, for all groups",
            group_ranks(p) - 1, least, most);
    }
  }
  return {};
}

}  // namespace moesim::workloads
