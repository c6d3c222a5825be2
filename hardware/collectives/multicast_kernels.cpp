#include "hardware/collectives/multicast_kernels.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "hardware/collectives/build.h"
#include "hardware/collectives/collectives.h"
#include "hardware/collectives/forms/hybrid_ep.h"

namespace moesim::hardware {

namespace {

using sim::Bytes;
using sim::Exchange;
using sim::Rank;
using Group = std::span<const Rank>;

Bytes payload(double rows, const MulticastShape& shape) {
  return Bytes(std::llround(rows * shape.row_bytes));
}

sim::Transfer turned(bool back, Rank source, Rank destination, Bytes bytes) {
  return back ? sim::Transfer{destination, source, bytes}
              : sim::Transfer{source, destination, bytes};
}

DeepEpShape shape_of(const MulticastShape& shape, std::size_t nodes, bool back,
                     const DeepEpLoad& load) {
  return {.nodes = static_cast<double>(nodes),
          .hidden = static_cast<double>(shape.width),
          .tokens = static_cast<double>(shape.rows),
          .top_k = static_cast<double>(shape.top_k),
          .groups = static_cast<double>(shape.groups),
          .sms = static_cast<double>(std::max<std::int64_t>(1, shape.sms)),
          .combine = back,
          .load = load};
}

class Straight final : public Multicast {
 public:
  PricedExchange build(const Cluster& cluster, Group group, const MulticastCounts& counts,
                       const MulticastShape& shape, bool back) const override {
    const std::size_t n = group.size();
    std::vector<sim::Transfer> transfers;
    for (std::size_t s = 0; s < n; ++s) {
      for (std::size_t d = 0; d < n; ++d) {
        const std::uint32_t rows = counts.copies[s * n + d];
        if (s == d || rows == 0) continue;
        transfers.push_back(turned(back, group[s], group[d], payload(rows, shape)));
      }
    }
    return all_to_all(cluster, group, std::move(transfers));
  }
};

class Gathered final : public Multicast {
 public:
  PricedExchange build(const Cluster& cluster, Group group, const MulticastCounts&,
                       const MulticastShape& shape, bool back) const override {
    const Bytes all =
        payload(static_cast<double>(shape.rows) * static_cast<double>(group.size()), shape);
    return back ? reduce_scatter(cluster, group, all) : all_gather(cluster, group, all);
  }
};

// Rows by nodes: the transfers, and the most copies that a rank hands on.
struct ByNodesRows {
  Exchange exchange;
  double copies = 0;
};

ByNodesRows rows_by_nodes(Group group, const GroupNodes& lie, const MulticastCounts& counts,
                          const MulticastShape& shape, bool back) {
  const std::size_t n = group.size(), nodes = lie.nodes.size();
  // Of each rank: the place of its node, and its own there.
  std::vector<std::size_t> node(n), local(n), first(nodes);
  for (std::size_t k = 0, i = 0; k < nodes; ++k) {
    first[k] = i;
    for (std::size_t l = 0; l < lie.nodes[k].size(); ++l, ++i) {
      node[i] = k;
      local[i] = l;
    }
  }
  ByNodesRows result{.exchange = empty_exchange(group, "")};
  const auto add = [&](std::size_t s, std::size_t d, double rows) {
    if (s == d || rows == 0) return;
    result.exchange.transfers.push_back(turned(back, group[s], group[d], payload(rows, shape)));
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
  if (!copies.empty()) result.copies = *std::max_element(copies.begin(), copies.end());
  return result;
}

template <class M>
class ByNodes final : public Multicast {
 public:
  explicit ByNodes(ThereAndBack<M> models) : models_(std::move(models)) {}

  PricedExchange build(const Cluster& cluster, Group group, const MulticastCounts& counts,
                       const MulticastShape& shape, bool back) const override {
    const GroupNodes lie(cluster, group);
    const std::size_t nodes = std::max<std::size_t>(1, lie.nodes.size());
    ByNodesRows rows = rows_by_nodes(group, lie, counts, shape, back);
    const PortLoads loads = loads_of(cluster, rows.exchange);
    return priced(cluster, std::move(rows.exchange), loads, models_.of(back, nodes),
                  shape_of(shape, nodes, back, {loads.rank, rows.copies}));
  }

 private:
  ThereAndBack<M> models_;
};

class LowLatency final : public Multicast {
 public:
  explicit LowLatency(ThereAndBack<DeepEpLlModel> models) : models_(std::move(models)) {}

  PricedExchange build(const Cluster& cluster, Group group, const MulticastCounts& counts,
                       const MulticastShape& shape, bool back) const override {
    return build(cluster, group, counts, messages_of(cluster, group, counts), shape, back);
  }
  MulticastPair both(const Cluster& cluster, Group group, const MulticastCounts& counts,
                     MulticastShape shape, double back_bytes) const override {
    const MessageLoads loads = messages_of(cluster, group, counts);
    PricedExchange dispatch = build(cluster, group, counts, loads, shape, false);
    shape.row_bytes = back_bytes;
    return {std::move(dispatch), build(cluster, group, counts, loads, shape, true)};
  }

 private:
  struct MessageLoads {
    std::size_t nodes;
    PortLoads messages;
  };
  static MessageLoads messages_of(const Cluster& cluster, Group group,
                                  const MulticastCounts& counts) {
    const GroupNodes lie(cluster, group);
    return {std::max<std::size_t>(1, lie.nodes.size()), loads_of(cluster, *counts.selections, lie)};
  }

  PricedExchange build(const Cluster& cluster, Group group, const MulticastCounts& counts,
                       const MessageLoads& load, const MulticastShape& shape, bool back) const {
    const double message = std::ceil(shape.row_bytes + (back ? 0 : kLowLatencyHeader));
    Exchange exchange = empty_exchange(group, "");
    exchange.messages = {
        .counts = counts.selections, .size = Bytes(std::llround(message)), .back = back};
    const PortLoads loads = load.messages * message;
    const double far_messages = message > 0 ? loads.rank.far / message : 0;
    return priced(cluster, std::move(exchange), loads, models_.of(back, load.nodes),
                  shape_of(shape, load.nodes, back, {loads.rank, far_messages}));
  }

  ThereAndBack<DeepEpLlModel> models_;
};

}  // namespace

std::unique_ptr<const Multicast> make_straight(const Device&) {
  return std::make_unique<const Straight>();
}

std::unique_ptr<const Multicast> make_gathered(const Device&) {
  return std::make_unique<const Gathered>();
}

std::unique_ptr<const Multicast> make_deepep_normal(const Device& device) {
  return make_by_nodes(choose_both<DeepEpNormalModel>(device, "deepep"));
}

std::unique_ptr<const Multicast> make_by_nodes(ThereAndBack<DeepEpNormalModel> models) {
  return std::make_unique<const ByNodes<DeepEpNormalModel>>(std::move(models));
}

std::unique_ptr<const Multicast> make_hybrid_ep(const Device& device) {
  return std::make_unique<const ByNodes<HybridEpModel>>(
      choose_both<HybridEpModel>(device, "hybrid_ep"));
}

std::unique_ptr<const Multicast> make_deepep_low_latency(const Device& device) {
  return make_low_latency(choose_both<DeepEpLlModel>(device, "deepep"));
}

std::unique_ptr<const Multicast> make_low_latency(ThereAndBack<DeepEpLlModel> models) {
  return std::make_unique<const LowLatency>(std::move(models));
}

}  // namespace moesim::hardware
