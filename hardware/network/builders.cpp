#include "hardware/network/builders.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "sim/error.h"

namespace moesim::hardware {

namespace {

using sim::Bandwidth;
using sim::ConfigError;
using sim::Duration;

// Of what does not limit: a device's own path to a NIC that is on its board, say.
constexpr Bandwidth kUnlimited{1e18};

class Builder {
 public:
  explicit Builder(const Cluster& cluster)
      : cluster_(cluster),
        up_(cluster.scale_up),
        out_(cluster.scale_out),
        nodes_(static_cast<std::uint32_t>(cluster.nodes)),
        per_node_(static_cast<std::uint32_t>(cluster.gpus_per_node)) {}

  Topology build() {
    for (std::uint32_t node = 0; node < nodes_; ++node) {
      for (std::uint32_t gpu = 0; gpu < per_node_; ++gpu) {
        topology_.devices.push_back(
            vertex(fmt::format("gpu{}", node * per_node_ + gpu), VertexKind::Device, 0));
        topology_.node.push_back(node);
        topology_.rail.push_back(gpu);
      }
    }
    if (out_.fabric == ScaleOut::Fabric::Torus) {
      torus();
      return std::move(topology_);
    }
    using Fabric = ScaleOut::Fabric;
    topology_.layered = out_.fabric != Fabric::BackToBack && out_.fabric != Fabric::Listed;
    if (up_.kind != ScaleUp::Kind::None) scale_up();
    if (nodes_ > 1 || per_node_ == 1) scale_out();
    return std::move(topology_);
  }

 private:
  VertexId vertex(std::string name, VertexKind kind, std::uint32_t level) {
    topology_.vertices.push_back({std::move(name), kind, level});
    return static_cast<VertexId>(topology_.vertices.size() - 1);
  }
  void join(VertexId a, VertexId b, LinkKind kind, Bandwidth capacity, Duration latency) {
    topology_.links.push_back({a, b, capacity, latency, kind});
    topology_.links.push_back({b, a, capacity, latency, kind});
  }
  VertexId gpu(std::uint32_t node, std::uint32_t local) const {
    return topology_.devices[node * per_node_ + local];
  }

  void scale_up() {
    for (std::uint32_t node = 0; node < nodes_; ++node) {
      const VertexId hub = vertex(fmt::format("node{}.switch", node), VertexKind::Switch, 1);
      for (std::uint32_t g = 0; g < per_node_; ++g) {
        join(gpu(node, g), hub, LinkKind::ScaleUp, up_.bandwidth, up_.latency);
      }
    }
  }

  void scale_out() {
    using Fabric = ScaleOut::Fabric;
    if (out_.fabric == Fabric::None || out_.fabric == Fabric::Listed) return;
    const auto nics = static_cast<std::uint32_t>(out_.nics_per_node);
    if (nics == 0 || (per_node_ % nics != 0 && nics % per_node_ != 0)) {
      throw ConfigError(fmt::format(
          "scale_out.nics_per_node: {} NICs cannot be shared evenly by {} devices of a node", nics,
          per_node_));
    }
    if (out_.fabric == Fabric::BackToBack && nodes_ != 2) {
      throw ConfigError(
          fmt::format("scale_out.fabric: back_to_back joins two nodes, but nodes is {}", nodes_));
    }
    nics_.resize(nodes_);
    for (std::uint32_t node = 0; node < nodes_; ++node) {
      for (std::uint32_t n = 0; n < nics; ++n) {
        nics_[node].push_back(vertex(fmt::format("node{}.nic{}", node, n), VertexKind::Nic, 1));
      }
      // Several devices a NIC, or several NICs a device.
      const std::uint32_t most = std::max(nics, per_node_);
      const Bandwidth host = out_.host_bandwidth > Bandwidth{} ? out_.host_bandwidth : kUnlimited;
      for (std::uint32_t i = 0; i < most; ++i) {
        join(gpu(node, i * per_node_ / most), nics_[node][i * nics / most], LinkKind::Host, host,
             out_.host_latency);
      }
    }
    topology_.rail_forwarding = out_.rail_forwarding && up_.kind != ScaleUp::Kind::None;
    switch (out_.fabric) {
      case Fabric::BackToBack:
        for (std::uint32_t n = 0; n < nics; ++n) {
          join(nics_[0][n], nics_[1][n], LinkKind::Nic, out_.bandwidth, out_.latency);
        }
        break;
      case Fabric::NonBlocking: {
        const VertexId fabric = vertex("fabric", VertexKind::Switch, 2);
        for (const auto& node : nics_) {
          for (const VertexId nic : node) {
            join(nic, fabric, LinkKind::Nic, out_.bandwidth, out_.latency);
          }
        }
        break;
      }
      default:
        leaves_and_spines(nics);
    }
  }

  void leaves_and_spines(std::uint32_t nics) {
    const bool rails = out_.fabric == ScaleOut::Fabric::RailOptimised;
    const auto planes = static_cast<std::uint32_t>(out_.planes);
    const auto per_leaf =
        static_cast<std::uint32_t>(out_.nodes_per_leaf > 0 ? out_.nodes_per_leaf : cluster_.nodes);
    const std::uint32_t groups = (nodes_ + per_leaf - 1) / per_leaf;
    if (nics % planes != 0) {
      throw ConfigError(fmt::format(
          "scale_out.planes: {} NICs of a node cannot be dealt out to {} planes", nics, planes));
    }
    // leaves[plane][i]; a leaf has the NICs of one rail, or of one plane, of a group of nodes.
    std::vector<std::vector<VertexId>> leaves(planes);
    std::vector<std::vector<std::uint32_t>> ports(planes);  // NICs of each
    for (std::uint32_t group = 0; group < groups; ++group) {
      const std::uint32_t first = group * per_leaf;
      const std::uint32_t last = std::min(first + per_leaf, nodes_);
      for (std::uint32_t l = 0; l < (rails ? nics : planes); ++l) {
        const VertexId leaf = vertex(fmt::format("leaf{}.{}", group, l), VertexKind::Switch, 2);
        leaves[l % planes].push_back(leaf);
        std::uint32_t count = 0;
        for (std::uint32_t node = first; node < last; ++node) {
          for (std::uint32_t n = 0; n < nics; ++n) {
            if ((rails ? n : n % planes) != l) continue;
            join(nics_[node][n], leaf, LinkKind::Nic, out_.bandwidth, out_.latency);
            ++count;
          }
        }
        ports[l % planes].push_back(count);
      }
    }
    const bool adaptive = out_.routing == ScaleOut::Routing::Adaptive;
    const auto spines = adaptive ? 1u : static_cast<std::uint32_t>(out_.spines);
    for (std::uint32_t plane = 0; plane < planes; ++plane) {
      if (leaves[plane].size() < 2) continue;
      for (std::uint32_t s = 0; s < spines; ++s) {
        const VertexId spine =
            vertex(planes == 1 ? fmt::format("spine{}", s) : fmt::format("spine{}.{}", plane, s),
                   VertexKind::Switch, 3);
        for (std::size_t l = 0; l < leaves[plane].size(); ++l) {
          // All uplinks of a leaf together carry its ports' bandwidth over the oversubscription.
          const Bandwidth uplink =
              out_.bandwidth * (ports[plane][l] / out_.oversubscription / spines);
          join(leaves[plane][l], spine, LinkKind::Fabric, uplink, out_.leaf_spine_latency);
        }
      }
    }
  }

  void torus() {
    topology_.devices_forward = true;
    const auto& size = out_.dimensions;
    std::int64_t count = 1;
    for (const auto d : size) count *= d;
    if (size.empty() || count != cluster_.nodes * cluster_.gpus_per_node) {
      throw ConfigError(
          fmt::format("scale_out.dimensions: a torus of {} devices, but there are {} nodes of {}",
                      count, cluster_.nodes, cluster_.gpus_per_node));
    }
    // Each device is its own node as far as nearness goes: all its links are of one kind.
    for (std::size_t r = 0; r < topology_.node.size(); ++r) {
      topology_.node[r] = static_cast<std::uint32_t>(r);
      topology_.rail[r] = 0;
    }
    std::int64_t stride = 1;
    for (const auto length : size) {
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t at = i / stride % length;
        if (length == 1 || (length == 2 && at == 1)) continue;  // two have one link, not a ring
        const std::int64_t next = i + (at + 1 == length ? 1 - length : 1) * stride;
        join(topology_.devices[static_cast<std::size_t>(i)],
             topology_.devices[static_cast<std::size_t>(next)], LinkKind::Torus, out_.bandwidth,
             out_.latency);
      }
      stride *= length;
    }
  }

  const Cluster& cluster_;
  const ScaleUp& up_;
  const ScaleOut& out_;
  std::uint32_t nodes_, per_node_;
  std::vector<std::vector<VertexId>> nics_;
  Topology topology_;
};

}  // namespace

Topology build_topology(const Cluster& cluster) {
  return Builder(cluster).build();
}

}  // namespace moesim::hardware
