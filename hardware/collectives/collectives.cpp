#include "hardware/collectives/collectives.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hardware/collectives/shape.h"
#include "sim/error.h"

namespace moesim::hardware {

namespace {

using sim::Bytes;
using sim::Exchange;
using sim::Rank;

// A time in two parts: what passes without bytes, and what the links are busy for.
struct Timed {
  double fixed_us = 0, near_us = 0, far_us = 0;
  double total() const { return fixed_us + std::max(near_us, far_us); }
};

Exchange start(const Cluster& cluster, std::span<const Rank> group, const char* name,
               double fixed_us) {
  Exchange exchange;
  exchange.name = name;
  exchange.participants.assign(group.begin(), group.end());
  exchange.startup = from_us(fixed_us - path_latency_us(cluster, group));
  return exchange;
}

std::int64_t whole(double bytes) {
  return static_cast<std::int64_t>(std::ceil(bytes));
}

// Rings through all ranks, one for each device of a node: each rank sends `each` bytes in all, to
// the next of its node and, w / m of it, to its like of the next node.
Exchange rings(const Cluster& cluster, std::span<const Rank> group, const char* name, double each,
               const Timed& time) {
  Exchange exchange = start(cluster, group, name, time.fixed_us);
  const GroupNodes lie(cluster, group);
  const bool several = lie.nodes.size() > 1;
  double most_near = 0, most_far = 0;
  for (std::size_t n = 0; n < lie.nodes.size(); ++n) {
    const auto& ranks = lie.nodes[n];
    const auto& next = lie.nodes[(n + 1) % lie.nodes.size()];
    const auto m = static_cast<double>(ranks.size());
    const double far = several ? each / m : 0;
    const double near = ranks.size() > 1 ? each - far : 0;
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      if (near > 0) {
        exchange.transfers.push_back({ranks[i], ranks[(i + 1) % ranks.size()], Bytes(whole(near))});
        most_near = near;
      }
      if (far > 0) {
        exchange.transfers.push_back({ranks[i], next[i % next.size()], Bytes(whole(far))});
        most_far = std::max(most_far, far * std::ceil(m / static_cast<double>(next.size())));
      }
    }
  }
  if (most_near > 0) exchange.near.factor = time.near_us * link_rate(cluster) / most_near;
  if (most_far > 0) exchange.far.factor = time.far_us * network_rate(cluster) / most_far;
  return exchange;
}

// NCCL's protocols for a rank that sends w bytes in all (parameters.h).
Timed nccl_time(const Cluster& cluster, const NcclParameters& p, const GroupNodes& lie, double w) {
  const auto m = static_cast<double>(lie.least);
  const auto nodes = static_cast<double>(lie.nodes.size());
  const bool several = lie.nodes.size() > 1;
  const double near = m > 1 ? (several ? w * (m - 1) / m : w) : 0, far = several ? w / m : 0;
  const double link = link_rate(cluster), network = several ? network_rate(cluster) : 1;
  const double loss = 1 - std::min(0.9, p.wide_loss / std::max(m, 2.0));
  const Timed quick{p.quick_us + p.quick_step_us * (m - 1) + p.node_us * std::log2(nodes),
                    near / (std::max(link, 1e-9) * p.quick_efficiency),
                    // What the quick protocol loses inside a node it loses on the network.
                    far / (network * p.network_efficiency * 0.5)};
  const Timed wide{
      p.wide_us + p.wide_step_us * (m - 1) + p.node_us * (nodes - 1),
      (near + std::sqrt(near * p.ramp_bytes)) / (std::max(link, 1e-9) * p.wide_efficiency * loss),
      (far + std::sqrt(far * p.ramp_bytes * 0.1)) / (network * p.network_efficiency)};
  return quick.total() < wide.total() ? quick : wide;
}

Exchange ring_collective(const Cluster& cluster, std::span<const Rank> group, const char* name,
                         Collective which, double each) {
  const GroupNodes lie(cluster, group);
  return rings(cluster, group, name, each,
               nccl_time(cluster, cluster.collectives.of(which), lie, each));
}

// Each rank sends the same to every other.
Exchange to_all(const Cluster& cluster, std::span<const Rank> group, const char* name,
                double each_pair, const Timed& time) {
  Exchange exchange = start(cluster, group, name, time.fixed_us);
  for (const Rank s : group) {
    for (const Rank d : group) {
      if (s != d) exchange.transfers.push_back({s, d, Bytes(whole(each_pair))});
    }
  }
  const double sent = each_pair * static_cast<double>(group.size() - 1);
  if (sent > 0) exchange.near.factor = time.near_us * link_rate(cluster) / sent;
  return exchange;
}

}  // namespace

Exchange all_reduce(const Cluster& cluster, std::span<const Rank> group, Bytes bytes,
                    AllReduceLibrary library, AllReduceAlgorithm algorithm) {
  using Algorithm = AllReduceAlgorithm;
  const auto n = static_cast<double>(group.size());
  if (group.size() < 2 || bytes == Bytes{}) return start(cluster, group, "all_reduce", 0);
  const GroupNodes lie(cluster, group);
  const auto size = static_cast<double>(bytes.count());
  const double each = 2 * (n - 1) / n * size, link = link_rate(cluster);
  const bool one_node = lie.nodes.size() == 1 && cluster.scale_up.kind == ScaleUp::Kind::Switch;
  const auto& nccl = cluster.collectives.all_reduce;
  const double in_switch = size * (1 + 1 / n);
  const Timed ring = nccl_time(cluster, nccl, lie, each);
  const Timed sum{nccl.sum_us, in_switch / (link * nccl.sum_efficiency), 0};
  const bool can_sum = one_node && n > 2 && nccl.sum_efficiency > 0;
  if (algorithm == Algorithm::Nvls && !can_sum) {
    throw sim::ConfigError("an all-reduce in the switch (nvls) is within a node of more than two");
  }
  const bool engines_own = algorithm == Algorithm::OneShot || algorithm == Algorithm::TwoShot;
  if (engines_own && !one_node) {
    throw sim::ConfigError("a one-shot or two-shot all-reduce is within a node with NVLink");
  }
  if (engines_own && library == AllReduceLibrary::Nccl) {
    throw sim::ConfigError("a one-shot or two-shot all-reduce is an engine's own, not NCCL's");
  }
  if (algorithm == Algorithm::Ring) return rings(cluster, group, "all_reduce", each, ring);
  if (algorithm == Algorithm::Nvls) return rings(cluster, group, "all_reduce", in_switch, sum);
  if (!one_node || library == AllReduceLibrary::Nccl) {
    return can_sum && sum.total() < ring.total()
               ? rings(cluster, group, "all_reduce", in_switch, sum)
               : rings(cluster, group, "all_reduce", each, ring);
  }
  const auto& own = cluster.collectives.engine_all_reduce[static_cast<std::size_t>(library)];
  const Timed one{own.one_us + own.one_rank_us * (n - 1),
                  (n - 1) * size / (link * own.one_efficiency), 0};
  const Timed two{own.two_us + own.two_rank_us * (n - 1), each / (link * own.two_efficiency), 0};
  const double kept = 1 - std::min(0.9, own.library_loss / n);
  const Timed other{own.library_us, each / (link * own.library_efficiency * kept), 0};
  if (algorithm == Algorithm::Quickest) {
    if (other.total() < std::min(one.total(), two.total())) {
      return rings(cluster, group, "all_reduce", each, other);
    }
    algorithm = one.total() <= two.total() ? Algorithm::OneShot : Algorithm::TwoShot;
  }
  return algorithm == Algorithm::OneShot ? to_all(cluster, group, "all_reduce", size, one)
                                         : to_all(cluster, group, "all_reduce", 2 * size / n, two);
}

Exchange all_gather(const Cluster& cluster, std::span<const Rank> group, Bytes bytes) {
  if (group.size() < 2 || bytes == Bytes{}) return start(cluster, group, "all_gather", 0);
  const auto n = static_cast<double>(group.size());
  return ring_collective(cluster, group, "all_gather", Collective::AllGather,
                         static_cast<double>(bytes.count()) * (n - 1) / n);
}

Exchange reduce_scatter(const Cluster& cluster, std::span<const Rank> group, Bytes bytes) {
  if (group.size() < 2 || bytes == Bytes{}) return start(cluster, group, "reduce_scatter", 0);
  const auto n = static_cast<double>(group.size());
  return ring_collective(cluster, group, "reduce_scatter", Collective::ReduceScatter,
                         static_cast<double>(bytes.count()) * (n - 1) / n);
}

Exchange broadcast(const Cluster& cluster, std::span<const Rank> group, Bytes bytes) {
  if (group.size() < 2 || bytes == Bytes{}) return start(cluster, group, "broadcast", 0);
  const auto each = static_cast<double>(bytes.count());
  const GroupNodes lie(cluster, group);
  const Timed time = nccl_time(cluster, cluster.collectives.broadcast, lie, each);
  return rings(cluster, group, "broadcast", each, time);
}

Exchange all_to_all(const Cluster& cluster, std::span<const Rank> group, Bytes bytes) {
  std::vector<sim::Transfer> transfers;
  const std::int64_t each =
      group.empty() ? 0 : bytes.count() / static_cast<std::int64_t>(group.size());
  for (const Rank s : group) {
    for (const Rank d : group) {
      if (s != d && each > 0) transfers.push_back({s, d, Bytes(each)});
    }
  }
  return all_to_all(cluster, group, std::move(transfers));
}

Exchange all_to_all(const Cluster& cluster, std::span<const Rank> group,
                    std::vector<sim::Transfer> transfers) {
  const NcclParameters& p = cluster.collectives.all_to_all;
  const GroupNodes lie(cluster, group);
  const auto [near, far] = volumes_of(cluster, transfers);
  const auto m = static_cast<double>(lie.most), nodes = static_cast<double>(lie.nodes.size());
  const double link = std::max(link_rate(cluster), 1e-9), network = network_rate(cluster);
  const double loss = 1 - std::min(0.9, p.wide_loss / std::max(m, 2.0));
  const Timed quick{p.quick_us + p.quick_step_us * (m - 1) + p.node_us * std::log2(nodes),
                    near / (link * p.quick_efficiency),
                    far > 0 ? far / (network * p.network_efficiency * 0.5) : 0};
  const Timed wide{
      p.wide_us + p.wide_step_us * (m - 1) + p.node_us * std::log2(nodes),
      (near + std::sqrt(near * p.ramp_bytes)) / (link * p.wide_efficiency * loss),
      far > 0 ? (far + std::sqrt(far * p.ramp_bytes * 0.1)) / (network * p.network_efficiency) : 0};
  const Timed time = quick.total() < wide.total() ? quick : wide;
  Exchange exchange = start(cluster, group, "all_to_all", transfers.empty() ? 0 : time.fixed_us);
  if (near > 0) exchange.near.factor = time.near_us * link / near;
  if (far > 0) exchange.far.factor = time.far_us * network / far;
  exchange.transfers = std::move(transfers);
  return exchange;
}

Exchange send(const Cluster& cluster, Rank source, Rank destination, Bytes bytes) {
  const Rank group[] = {std::min(source, destination), std::max(source, destination)};
  if (source == destination || bytes == Bytes{}) {
    return start(cluster, {group, source == destination ? 1u : 2u}, "send", 0);
  }
  const NcclParameters& p = cluster.collectives.send_receive;
  const auto size = static_cast<double>(bytes.count());
  const bool near = cluster.near(source, destination);
  const double rate = near ? link_rate(cluster) : network_rate(cluster);
  const double quick_us = size / (rate * (near ? p.quick_efficiency : p.network_efficiency * 0.5));
  const double wide_us = size / (rate * (near ? p.wide_efficiency : p.network_efficiency));
  const double more = near ? 0 : p.node_us;
  const bool is_quick = p.quick_us + quick_us < p.wide_us + wide_us;
  Exchange exchange = start(cluster, group, "send", (is_quick ? p.quick_us : p.wide_us) + more);
  exchange.transfers.push_back({source, destination, bytes});
  (near ? exchange.near : exchange.far).factor = (is_quick ? quick_us : wide_us) * rate / size;
  return exchange;
}

}  // namespace moesim::hardware
