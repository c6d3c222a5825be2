#include "hardware/collectives/collectives.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "hardware/collectives/build.h"
#include "hardware/collectives/models.h"
#include "hardware/collectives/switch_sums.h"
#include "sim/check.h"
#include "sim/error.h"

namespace moesim::hardware {

namespace {

using sim::Bytes;
using sim::Exchange;
using sim::Rank;
using Group = std::span<const Rank>;

constexpr std::array<std::string_view, 4> kAllReduces{"trtllm", "vllm", "sglang", "nccl"};

const CollectiveModels& models(const Cluster& cluster) {
  SIM_CHECK(cluster.collectives != nullptr, "a cluster has its collectives' models");
  return *cluster.collectives;
}

PricedExchange nothing(Group group, const char* name) {
  return {.exchange = empty_exchange(group, name)};
}

bool is_nothing(Group group, Bytes bytes) {
  return group.size() < 2 || bytes == Bytes{};
}

Bytes whole(double bytes) {
  return Bytes(static_cast<std::int64_t>(std::ceil(bytes)));
}

// Rings through all ranks, one for each device of a node: each rank sends `each` bytes in all, to
// the next of its node and, 1 / m of it, to its like of the next node.
Exchange rings(Group group, const GroupNodes& lie, const char* name, double each) {
  Exchange exchange = empty_exchange(group, name);
  const bool several = lie.nodes.size() > 1;
  for (std::size_t n = 0; n < lie.nodes.size(); ++n) {
    const auto& ranks = lie.nodes[n];
    const auto& next = lie.nodes[(n + 1) % lie.nodes.size()];
    const double far = several ? each / static_cast<double>(ranks.size()) : 0;
    const double near = ranks.size() > 1 ? each - far : 0;
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      if (near > 0)
        exchange.transfers.push_back({ranks[i], ranks[(i + 1) % ranks.size()], whole(near)});
      if (far > 0) exchange.transfers.push_back({ranks[i], next[i % next.size()], whole(far)});
    }
  }
  return exchange;
}

// Each rank sends the same to every other.
Exchange to_all(Group group, const char* name, double each_pair) {
  Exchange exchange = empty_exchange(group, name);
  for (const Rank s : group) {
    for (const Rank d : group) {
      if (s != d) exchange.transfers.push_back({s, d, whole(each_pair)});
    }
  }
  return exchange;
}

// What a form of rings is asked, where each rank sends `each` bytes in all.
NcclShape ring_shape(const Cluster& cluster, const GroupNodes& lie, NcclOperation operation,
                     Bytes bytes, double each) {
  const auto m = static_cast<double>(lie.least);
  const bool several = lie.nodes.size() > 1;
  return {.operation = operation,
          .ranks = m,
          .bytes = static_cast<double>(bytes.count()),
          .nodes = static_cast<double>(lie.nodes.size()),
          .through_host = cluster.scale_up.kind == ScaleUp::Kind::Pcie,
          .sent = several ? PortBytes{each * (m - 1) / m, each / m} : PortBytes{each, 0}};
}

PricedExchange by_rings(const Cluster& cluster, Group group, const char* name,
                        const Reach<NcclModel>& model, NcclOperation operation, Bytes bytes,
                        double each) {
  const GroupNodes lie(cluster, group);
  Exchange exchange = rings(group, lie, name, each);
  const PortLoads loads = loads_of(cluster, exchange);
  return priced(cluster, std::move(exchange), loads, model.over(lie.nodes.size()),
                ring_shape(cluster, lie, operation, bytes, each));
}

// What each of n ranks sends of an all-gather or a reduce-scatter.
double part_of(Group group, Bytes bytes) {
  const auto n = static_cast<double>(group.size());
  return static_cast<double>(bytes.count()) * (n - 1) / n;
}

PricedExchange nccl_all_reduce(const Cluster& cluster, Group group, const GroupNodes& lie,
                               Bytes bytes, NcclAlgorithm algorithm) {
  const double each = 2 * part_of(group, bytes);
  NcclShape shape = ring_shape(cluster, lie, NcclOperation::AllReduce, bytes, each);
  shape.has_switch =
      cluster.scale_up.kind == ScaleUp::Kind::Switch && sums_in_switch(cluster.device);
  const auto& model = models(cluster).all_reduce.over(lie.nodes.size());
  shape.algorithm = algorithm == NcclAlgorithm::Quickest
                        ? NcclModel::quickest(shape, rates_of(cluster), model.parameters())
                        : algorithm;
  const bool in_switch = shape.algorithm == NcclAlgorithm::Switch;
  const double sent = in_switch ? shape.bytes * (1 + 1 / shape.ranks) : each;
  Exchange exchange = rings(group, lie, "all_reduce", sent);
  const PortLoads loads = loads_of(cluster, exchange);
  return priced(cluster, std::move(exchange), loads, model, shape);
}

PricedExchange engine_all_reduce(const Cluster& cluster, Group group, const GroupNodes& lie,
                                 Bytes bytes, AllReduceLibrary library, AllReduceBranch branch) {
  const auto& model = models(cluster).engine_all_reduce[static_cast<std::size_t>(library)];
  AllReduceShape shape{.ranks = static_cast<double>(group.size()),
                       .bytes = static_cast<double>(bytes.count()),
                       .branch = branch};
  if (branch == AllReduceBranch::Quickest)
    shape.branch = CustomAllReduceModel::quickest(shape, rates_of(cluster), model.parameters());
  Exchange exchange = shape.branch == AllReduceBranch::OneShot
                          ? to_all(group, "all_reduce", shape.bytes)
                      : shape.branch == AllReduceBranch::TwoShot
                          ? to_all(group, "all_reduce", 2 * shape.bytes / shape.ranks)
                          : rings(group, lie, "all_reduce", 2 * part_of(group, bytes));
  const PortLoads loads = loads_of(cluster, exchange);
  return priced(cluster, std::move(exchange), loads, model, shape);
}

}  // namespace

std::span<const std::string_view> all_reduce_names() {
  return kAllReduces;
}

AllReduceLibrary all_reduce_named(std::string_view name) {
  const auto found = std::ranges::find(kAllReduces, name);
  if (found == kAllReduces.end()) {
    throw sim::ConfigError(fmt::format("kernels.all_reduce: expected one of {}, not \"{}\"",
                                       fmt::join(kAllReduces, ", "), name));
  }
  return static_cast<AllReduceLibrary>(found - kAllReduces.begin());
}

std::string_view default_all_reduce(std::string_view gemm) {
  const auto found = std::ranges::find(kAllReduces, gemm);
  return found == kAllReduces.end() ? kAllReduces.front() : *found;
}

PricedExchange all_reduce(const Cluster& cluster, Group group, Bytes bytes,
                          AllReduceLibrary library, AllReduceAlgorithm algorithm) {
  using Algorithm = AllReduceAlgorithm;
  if (is_nothing(group, bytes)) return nothing(group, "all_reduce");
  const GroupNodes lie(cluster, group);
  const bool one_node = lie.nodes.size() == 1 && cluster.scale_up.kind == ScaleUp::Kind::Switch;
  if (algorithm == Algorithm::Nvls && (!one_node || group.size() < 3)) {
    throw sim::ConfigError("an all-reduce in the switch (nvls) is within a node of more than two");
  }
  if (algorithm == Algorithm::Nvls && !sums_in_switch(cluster.device)) {
    throw sim::ConfigError(fmt::format(
        "an all-reduce in the switch (nvls) takes NVLink 4 or later and its switch, which {} has "
        "not; a ring (all_reduce_ring) or NCCL's choice (all_reduce_nccl) would do",
        cluster.device.name));
  }
  const bool engines_own = algorithm == Algorithm::OneShot || algorithm == Algorithm::TwoShot;
  if (engines_own && !one_node) {
    throw sim::ConfigError("a one-shot or two-shot all-reduce is within a node with NVLink");
  }
  if (engines_own && library == AllReduceLibrary::Nccl) {
    throw sim::ConfigError("a one-shot or two-shot all-reduce is an engine's own, not NCCL's");
  }
  switch (algorithm) {
    case Algorithm::Ring:
      return nccl_all_reduce(cluster, group, lie, bytes, NcclAlgorithm::Ring);
    case Algorithm::Nvls:
      return nccl_all_reduce(cluster, group, lie, bytes, NcclAlgorithm::Switch);
    case Algorithm::OneShot:
      return engine_all_reduce(cluster, group, lie, bytes, library, AllReduceBranch::OneShot);
    case Algorithm::TwoShot:
      return engine_all_reduce(cluster, group, lie, bytes, library, AllReduceBranch::TwoShot);
    case Algorithm::Quickest:
      break;
  }
  return one_node && library != AllReduceLibrary::Nccl
             ? engine_all_reduce(cluster, group, lie, bytes, library, AllReduceBranch::Quickest)
             : nccl_all_reduce(cluster, group, lie, bytes, NcclAlgorithm::Quickest);
}

PricedExchange all_gather(const Cluster& cluster, Group group, Bytes bytes) {
  if (is_nothing(group, bytes)) return nothing(group, "all_gather");
  return by_rings(cluster, group, "all_gather", models(cluster).all_gather,
                  NcclOperation::AllGather, bytes, part_of(group, bytes));
}

PricedExchange reduce_scatter(const Cluster& cluster, Group group, Bytes bytes) {
  if (is_nothing(group, bytes)) return nothing(group, "reduce_scatter");
  return by_rings(cluster, group, "reduce_scatter", models(cluster).reduce_scatter,
                  NcclOperation::ReduceScatter, bytes, part_of(group, bytes));
}

PricedExchange broadcast(const Cluster& cluster, Group group, Bytes bytes) {
  if (is_nothing(group, bytes)) return nothing(group, "broadcast");
  return by_rings(cluster, group, "broadcast", models(cluster).broadcast, NcclOperation::Broadcast,
                  bytes, static_cast<double>(bytes.count()));
}

PricedExchange all_to_all(const Cluster& cluster, Group group, Bytes bytes) {
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

PricedExchange all_to_all(const Cluster& cluster, Group group,
                          std::vector<sim::Transfer> transfers) {
  if (transfers.empty()) return nothing(group, "all_to_all");
  const GroupNodes lie(cluster, group);
  Exchange exchange = empty_exchange(group, "all_to_all");
  exchange.transfers = std::move(transfers);
  const PortLoads loads = loads_of(cluster, exchange);
  // The size of which the busiest rank would send so much if it sent the same to all.
  const auto n = static_cast<double>(group.size());
  const double sent = loads.rank.near + loads.rank.far;
  return priced(cluster, std::move(exchange), loads,
                models(cluster).all_to_all.over(lie.nodes.size()),
                {.operation = NcclOperation::AllToAll,
                 .ranks = static_cast<double>(lie.most),
                 .bytes = n > 1 ? sent * n / (n - 1) : 0,
                 .nodes = static_cast<double>(lie.nodes.size()),
                 .through_host = cluster.scale_up.kind == ScaleUp::Kind::Pcie,
                 .sent = loads.rank});
}

PricedExchange send(const Cluster& cluster, Rank source, Rank destination, Bytes bytes) {
  const Rank both[] = {std::min(source, destination), std::max(source, destination)};
  const Group group(both, source == destination ? 1u : 2u);
  if (is_nothing(group, bytes)) return nothing(group, "send");
  const bool near = cluster.near(source, destination);
  Exchange exchange = empty_exchange(group, "send");
  exchange.transfers.push_back({source, destination, bytes});
  const PortLoads loads = loads_of(cluster, exchange);
  const std::size_t nodes = near ? 1 : 2;
  return priced(cluster, std::move(exchange), loads, models(cluster).send_receive.over(nodes),
                {.operation = NcclOperation::SendReceive,
                 .ranks = near ? 2.0 : 1.0,
                 .bytes = static_cast<double>(bytes.count()),
                 .nodes = static_cast<double>(nodes)});
}

}  // namespace moesim::hardware
