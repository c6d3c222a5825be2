#include "hardware/collectives/multicast.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "hardware/collectives/collectives.h"
#include "hardware/collectives/shape.h"
#include "sim/check.h"

namespace moesim::hardware {

namespace {

using sim::Bytes;
using sim::Exchange;
using sim::Rank;

constexpr double kHeaderBytes = 16;  // of a low-latency message on its way out (DeepEP)
constexpr double kGroupsOfSm = 3;  // warp groups of an SM, one for each destination group (DeepEP)

// Of messages [source x rank] of a group that lies so on its nodes.
Volumes volumes_of(const std::vector<std::uint32_t>& counts, const GroupNodes& lie,
                   double message) {
  std::size_t n = 0;
  for (const auto& ranks : lie.nodes) n += ranks.size();
  std::vector<std::uint64_t> received(n, 0), received_near(n, 0);
  std::uint64_t near = 0, far = 0;
  std::size_t first = 0, source = 0;  // of the node
  for (const auto& ranks : lie.nodes) {
    const std::size_t end = first + ranks.size();
    for (; source < end; ++source) {
      const std::uint32_t* count = counts.data() + source * n;
      std::uint64_t sent = 0, sent_near = 0;
      for (std::size_t d = 0; d < n; ++d) received[d] += count[d];
      for (std::size_t d = 0; d < n; ++d) sent += count[d];
      for (std::size_t d = first; d < end; ++d) received_near[d] += count[d];
      for (std::size_t d = first; d < end; ++d) sent_near += count[d];
      far = std::max(far, sent - sent_near);
      near = std::max(near, sent_near - count[source]);
      // What stays at home.
      received[source] -= count[source];
      received_near[source] -= count[source];
    }
    first = end;
  }
  for (std::size_t d = 0; d < n; ++d) {
    near = std::max(near, received_near[d]);
    far = std::max(far, received[d] - received_near[d]);
  }
  return {static_cast<double>(near) * message, static_cast<double>(far) * message};
}

// Both kinds of links as busy as the closed form says: by how much its overlapped time is above
// that of the busier one.
void set_wire(Exchange& exchange, const Cluster& cluster, double near_us, double far_us,
              double sm_us, double power, const Volumes& volumes) {
  const double most = std::max(near_us, far_us);
  if (!(most > 0)) {
    exchange.completion = from_us(sm_us);
    return;
  }
  const double stretch = overlapped(near_us, far_us, sm_us, power) / most;
  if (volumes.near > 0) {
    exchange.near.factor = near_us * stretch * link_rate(cluster) / volumes.near;
  }
  if (volumes.far > 0) {
    exchange.far.factor = far_us * stretch * network_rate(cluster) / volumes.far;
  }
}

Exchange begin(const Cluster& cluster, std::span<const Rank> group, const char* name,
               double fixed_us) {
  Exchange exchange;
  exchange.name = name;
  exchange.participants.assign(group.begin(), group.end());
  exchange.startup = from_us(fixed_us - path_latency_us(cluster, group));
  return exchange;
}

Exchange low_latency(const Cluster& cluster, std::span<const Rank> group,
                     const MulticastCounts& counts, const MulticastShape& shape, bool back) {
  const bool one_node = group.empty() || cluster.near(group.front(), group.back());
  const auto& both = one_node ? cluster.collectives.deepep_ll_node : cluster.collectives.deepep_ll;
  const DeepEpLlParameters& p = back ? both.combine : both.dispatch;
  const double message = std::ceil(shape.row_bytes + (back ? 0 : kHeaderBytes));
  const GroupNodes lie(cluster, group);
  const auto nodes = static_cast<double>(lie.nodes.size());
  Exchange exchange = begin(cluster, group, back ? "combine" : "dispatch",
                            p.startup_us + p.per_log2_nodes_us * std::log2(nodes) +
                                p.per_group_ns * 1e-3 * static_cast<double>(shape.groups));
  exchange.messages = {
      .counts = counts.selections, .size = Bytes(std::llround(message)), .back = back};
  const Volumes volumes = volumes_of(*counts.selections, lie, message);
  const double near_us =
      volumes.near > 0 ? volumes.near / (link_rate(cluster) * p.near_efficiency) : 0;
  const double far_us = volumes.far > 0 ? volumes.far / (network_rate(cluster) * p.far_efficiency) +
                                              volumes.far / message * p.message_ns * 1e-3
                                        : 0;
  const double sm_us = static_cast<double>(shape.rows) * p.token_us /
                       std::max(1.0, std::ceil(static_cast<double>(shape.groups) / kGroupsOfSm));
  set_wire(exchange, cluster, near_us, far_us, sm_us, p.overlap_power, volumes);
  return exchange;
}

// A row goes over the NIC to the rank of its own rail on each node that wants it, and that rank
// passes it on to those that want it there.
Exchange by_nodes(const Cluster& cluster, std::span<const Rank> group,
                  const MulticastCounts& counts, const MulticastShape& shape,
                  const DeepEpNormalParameters& p, bool back) {
  const std::size_t n = group.size();
  const GroupNodes lie(cluster, group);
  const std::size_t nodes = lie.nodes.size();
  // Of each rank: the place of its node, and its own there.
  std::vector<std::size_t> node(n), local(n), first(nodes);
  for (std::size_t k = 0, i = 0; k < nodes; ++k) {
    first[k] = i;
    for (std::size_t l = 0; l < lie.nodes[k].size(); ++l, ++i) {
      node[i] = k;
      local[i] = l;
    }
  }
  Exchange exchange =
      begin(cluster, group, back ? "combine" : "dispatch",
            p.startup_us + p.per_log2_nodes_us * std::log2(static_cast<double>(nodes)));
  const auto add = [&](std::size_t s, std::size_t d, double rows) {
    if (s == d || rows == 0) return;
    const auto payload = Bytes(std::llround(rows * shape.row_bytes));
    exchange.transfers.push_back(back ? sim::Transfer{group[d], group[s], payload}
                                      : sim::Transfer{group[s], group[d], payload});
  };
  // near[r x most + l]: rows that rank r hands to the l-th rank of its node.
  std::vector<double> near(n * lie.most, 0), copies(n, 0);
  for (std::size_t s = 0; s < n; ++s) {
    for (std::size_t k = 0; k < nodes; ++k) {
      const std::size_t gateway = first[k] + local[s] % lie.nodes[k].size();
      if (k != node[s]) add(s, gateway, counts.node_copies[s * nodes + k]);
      const std::size_t from = k == node[s] ? s : gateway;
      for (std::size_t l = 0; l < lie.nodes[k].size(); ++l) {
        const std::uint32_t rows = counts.copies[s * n + first[k] + l];
        near[from * lie.most + l] += rows;
        copies[from] += rows;
      }
    }
  }
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t l = 0; l < lie.nodes[node[r]].size(); ++l) {
      add(r, first[node[r]] + l, near[r * lie.most + l]);
    }
  }
  const Volumes volumes = volumes_of(cluster, exchange.transfers);
  const double near_us =
      volumes.near > 0 ? volumes.near / (link_rate(cluster) * p.near_efficiency) : 0;
  const double far_us =
      volumes.far > 0 ? volumes.far / (network_rate(cluster) * p.far_efficiency) : 0;
  const double most_copies = copies.empty() ? 0 : *std::max_element(copies.begin(), copies.end());
  const double sm_us = (volumes.near / p.per_sm_bytes_us + most_copies * p.row_us) /
                       static_cast<double>(std::max<std::int64_t>(1, shape.sms));
  set_wire(exchange, cluster, near_us, far_us, sm_us, p.overlap_power, volumes);
  return exchange;
}

Exchange straight(const Cluster& cluster, std::span<const Rank> group,
                  const MulticastCounts& counts, const MulticastShape& shape, bool back) {
  const std::size_t n = group.size();
  std::vector<sim::Transfer> transfers;
  for (std::size_t s = 0; s < n; ++s) {
    for (std::size_t d = 0; d < n; ++d) {
      const std::uint32_t rows = counts.copies[s * n + d];
      if (s == d || rows == 0) continue;
      const auto payload = Bytes(std::llround(rows * shape.row_bytes));
      transfers.push_back(back ? sim::Transfer{group[d], group[s], payload}
                               : sim::Transfer{group[s], group[d], payload});
    }
  }
  Exchange exchange = all_to_all(cluster, group, std::move(transfers));
  exchange.name = back ? "combine" : "dispatch";
  return exchange;
}

Exchange build(const Cluster& cluster, std::span<const Rank> group, MulticastAlgorithm algorithm,
               const MulticastCounts& counts, const MulticastShape& shape, bool back) {
  const std::size_t n = group.size();
  SIM_CHECK(!needs_selections(algorithm) || counts.selections->size() == n * n,
            "selections of every pair");
  SIM_CHECK(!needs_copies(algorithm) || counts.copies.size() == n * n, "copies of every pair");
  const auto& parameters = cluster.collectives;
  switch (algorithm) {
    case MulticastAlgorithm::Nccl:
      return straight(cluster, group, counts, shape, back);
    case MulticastAlgorithm::AllGather: {
      const auto all = Bytes(
          std::llround(static_cast<double>(shape.rows) * static_cast<double>(n) * shape.row_bytes));
      Exchange exchange =
          back ? reduce_scatter(cluster, group, all) : all_gather(cluster, group, all);
      exchange.name = back ? "combine" : "dispatch";
      return exchange;
    }
    case MulticastAlgorithm::DeepEpNormal: {
      const bool one_node = group.empty() || cluster.near(group.front(), group.back());
      const auto& both = one_node ? parameters.deepep_normal_node : parameters.deepep_normal;
      return by_nodes(cluster, group, counts, shape, back ? both.combine : both.dispatch, back);
    }
    case MulticastAlgorithm::HybridEp:
      return by_nodes(cluster, group, counts, shape,
                      back ? parameters.hybrid_ep.combine : parameters.hybrid_ep.dispatch, back);
    case MulticastAlgorithm::DeepEpLowLatency:
      break;
  }
  return low_latency(cluster, group, counts, shape, back);
}

constexpr std::array<std::string_view, 5> kNames{"nccl", "all_gather", "deepep_normal", "hybrid_ep",
                                                 "deepep_low_latency"};

}  // namespace

std::span<const std::string_view> multicast_names() {
  return kNames;
}

bool needs_selections(MulticastAlgorithm algorithm) {
  return algorithm == MulticastAlgorithm::DeepEpLowLatency;
}
bool needs_copies(MulticastAlgorithm algorithm) {
  return algorithm == MulticastAlgorithm::Nccl || needs_node_copies(algorithm);
}
bool needs_node_copies(MulticastAlgorithm algorithm) {
  return algorithm == MulticastAlgorithm::DeepEpNormal || algorithm == MulticastAlgorithm::HybridEp;
}

Exchange dispatch(const Cluster& cluster, std::span<const Rank> group, MulticastAlgorithm algorithm,
                  const MulticastCounts& counts, const MulticastShape& shape) {
  return build(cluster, group, algorithm, counts, shape, false);
}

Exchange combine(const Cluster& cluster, std::span<const Rank> group, MulticastAlgorithm algorithm,
                 const MulticastCounts& counts, const MulticastShape& shape) {
  return build(cluster, group, algorithm, counts, shape, true);
}

sim::Bandwidth memory_traffic(const Cluster& cluster, MulticastAlgorithm algorithm) {
  // A copy over NVLink is written at its destination, read there and written in its place.
  constexpr double kLinkTouches = 3;
  // A copy to another node is read and written at its source, read by the NIC, written by the other
  // one, and read again by whoever forwards it, to a few ranks: 8 experts of a token lie on 2 to 3
  // ranks of each node that it goes to (node-limited routing to 4 nodes, DeepSeek-V3).
  constexpr double kNicTouches = 4, kForwarded = 2;
  if (multiprocessors_held(algorithm, {.sms = 1}) == 0) return {};
  if (cluster.nodes == 1) {
    // Sources are read once for all copies.
    return sim::Bandwidth(kLinkTouches * cluster.scale_up.bandwidth.bytes_per_second());
  }
  const double nic = cluster.scale_out.bandwidth.bytes_per_second() *
                     static_cast<double>(cluster.scale_out.nics_per_node) /
                     static_cast<double>(cluster.gpus_per_node);
  return sim::Bandwidth(nic * (kNicTouches + kForwarded * (1 + kLinkTouches)));
}

std::int64_t multiprocessors_held(MulticastAlgorithm algorithm, const MulticastShape& shape) {
  switch (algorithm) {
    case MulticastAlgorithm::DeepEpNormal:
    case MulticastAlgorithm::HybridEp:
      return shape.sms;
    case MulticastAlgorithm::Nccl:
    case MulticastAlgorithm::AllGather:
      return 16;  // NCCL's channels on an NVSwitch node of eight
    case MulticastAlgorithm::DeepEpLowLatency:
      break;
  }
  return 0;
}

}  // namespace moesim::hardware
