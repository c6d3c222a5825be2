#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "hardware/cluster.h"
#include "hardware/collectives/models.h"
#include "hardware/named_device.h"
#include "hardware/network/analysis.h"
#include "hardware/network/builders.h"
#include "hardware/network/faults.h"
#include "hardware/network/topology.h"
#include "hardware/reliability.h"
#include "sim/error.h"
#include "sim/io/file_kind.h"
#include "sim/io/yaml_reader.h"

namespace moesim::hardware {

namespace {

using sim::io::YamlDocument;
using sim::io::YamlNode;

ScaleUp read_scale_up(const YamlNode& node) {
  node.allow_only({"kind", "bandwidth", "latency"});
  constexpr ScaleUp::Kind kKinds[] = {ScaleUp::Kind::None, ScaleUp::Kind::Switch,
                                      ScaleUp::Kind::Pcie};
  ScaleUp result;
  result.kind = kKinds[node.at("kind").one_of({"none", "switch", "pcie"})];
  if (result.kind == ScaleUp::Kind::None) return result;
  result.bandwidth = node.at("bandwidth").bandwidth();
  result.latency = node.at("latency").duration();
  return result;
}

ScaleOut read_scale_out(const YamlNode& node) {
  using Fabric = ScaleOut::Fabric;
  node.allow_only({"fabric", "routing", "nics_per_node", "bandwidth", "latency", "host_bandwidth",
                   "host_latency", "nodes_per_leaf", "spines", "planes", "oversubscription",
                   "leaf_spine_latency", "rail_forwarding", "dimensions"});
  constexpr Fabric kFabrics[] = {Fabric::None,    Fabric::NonBlocking, Fabric::RailOptimised,
                                 Fabric::FatTree, Fabric::BackToBack,  Fabric::Torus,
                                 Fabric::Listed};
  ScaleOut result;
  result.fabric = kFabrics[node.at("fabric").one_of(
      {"none", "non_blocking", "rail_optimised", "fat_tree", "back_to_back", "torus", "listed"})];
  if (result.fabric == Fabric::None || result.fabric == Fabric::Listed) return result;
  result.bandwidth = node.at("bandwidth").bandwidth();
  result.latency = node.at("latency").duration();
  if (result.fabric == Fabric::Torus) {
    for (const YamlNode& d : node.at("dimensions").items()) {
      result.dimensions.push_back(d.integer(1, kMostDevices));
    }
    if (result.dimensions.empty()) {
      node.at("dimensions").error("expected the lengths of a torus, such as [4, 4, 4]");
    }
    return result;
  }
  result.nics_per_node = node.at("nics_per_node").integer(1, 1024);
  if (const auto key = node.find("routing")) {
    result.routing = key->one_of({"adaptive", "ecmp"}) == 0 ? ScaleOut::Routing::Adaptive
                                                            : ScaleOut::Routing::Ecmp;
  }
  if (const auto key = node.find("host_bandwidth")) result.host_bandwidth = key->bandwidth();
  if (const auto key = node.find("host_latency")) result.host_latency = key->duration();
  if (const auto key = node.find("rail_forwarding")) result.rail_forwarding = key->boolean();
  if (result.fabric == Fabric::RailOptimised || result.fabric == Fabric::FatTree) {
    result.nodes_per_leaf = node.at("nodes_per_leaf").integer(1, kMostDevices);
    result.leaf_spine_latency = node.at("leaf_spine_latency").duration();
    if (const auto key = node.find("spines")) result.spines = key->integer(1, 4096);
    if (const auto key = node.find("planes")) result.planes = key->integer(1, 1024);
    if (const auto key = node.find("oversubscription")) {
      result.oversubscription = key->number(0.01, 1000);
    }
  }
  return result;
}

// A relative path is relative to the file, or to the folder that the text stands in. What is no
// file, and has neither folder nor .yaml, is a name.
std::filesystem::path device_file(const YamlNode& device, const YamlDocument& document,
                                  const std::filesystem::path& cluster, const NamedDevice& named) {
  std::filesystem::path file = device.file();
  if (document.folder().empty() && file.is_relative()) file = cluster.parent_path() / file;
  const std::filesystem::path text(device.text());
  if (!named || text.has_parent_path() || text.extension() == ".yaml" || sim::io::is_file(file))
    return file;
  try {
    return named(text.string());
  } catch (const sim::ConfigError& wrong) {
    device.error(wrong.what());
    document.throw_errors();
  }
  return file;
}

Cluster read_cluster(const YamlDocument& document, std::filesystem::path file,
                     const NamedDevice& named) {
  const YamlNode root = document.root();
  root.allow_only({"name", "device", "nodes", "gpus_per_node", "scale_up", "scale_out", "topology",
                   "faults", "collectives", "reliability", "source"});
  Cluster cluster;
  cluster.file = std::move(file);
  cluster.name = root.at("name").text();
  const YamlNode device = root.at("device");
  cluster.nodes = root.at("nodes").integer(1, kMostDevices);
  cluster.gpus_per_node = root.at("gpus_per_node").integer(1, 1024);
  if (cluster.nodes * cluster.gpus_per_node > kMostDevices) {
    root.at("nodes").error(fmt::format("{} devices; at most {} can be simulated",
                                       cluster.nodes * cluster.gpus_per_node, kMostDevices));
  }
  if (const auto node = root.find("reliability")) (void)read_reliability(*node);
  cluster.scale_up = read_scale_up(root.at("scale_up"));
  if (const auto out = root.find("scale_out")) cluster.scale_out = read_scale_out(*out);
  if (cluster.nodes > 1 && cluster.scale_out.fabric == ScaleOut::Fabric::None) {
    document.throw_errors();  // a fabric that could not be read is none, too
    root.at("nodes").error("several nodes need scale_out with a fabric");
  }
  document.throw_errors();

  Topology topology;
  try {
    topology = build_topology(cluster);
  } catch (const sim::ConfigError& error) {
    (root.find("scale_out") ? *root.find("scale_out") : root).error(error.what());
    document.throw_errors();
  }
  if (const auto listed = root.find("topology")) add_listed_links(*listed, topology);
  document.throw_errors();
  const bool is_listed = cluster.scale_out.fabric == ScaleOut::Fabric::Listed;
  if (const auto listed = root.find("topology"); listed && is_listed) {
    try {
      check_reachable(topology);  // before the faults: what is wrong here is the description
    } catch (const sim::InfeasibleError& error) {
      listed->error(error.what());
    }
  } else if (is_listed) {
    root.at("scale_out").error("fabric: listed needs topology: {switches: [...], links: [...]}");
  }
  if (const auto faults = root.find("faults")) apply_faults(*faults, topology, cluster.slow);
  document.throw_errors();
  if (root.find("faults")) check_reachable(topology);
  cluster.topology = std::make_shared<const Topology>(std::move(topology));
  cluster.device = load_device(device_file(device, document, cluster.file, named));
  // What was fitted on this cluster's own network comes before the device's.
  if (const auto own = root.find("collectives")) {
    std::filesystem::path fits = own->file();
    if (document.folder().empty() && fits.is_relative()) fits = cluster.file.parent_path() / fits;
    cluster.device.files.push_back(fits);  // its fits are this cluster's now
    for (FittedModel& model : load_fitted(fits)) {
      std::erase_if(cluster.device.fitted, [&](const FittedModel& m) {
        return m.kind == model.kind && m.implementation == model.implementation &&
               m.variant == model.variant;
      });
      cluster.device.fitted.push_back(std::move(model));
    }
  }
  cluster.collectives = collective_models(cluster.device);
  return cluster;
}

}  // namespace

Cluster load_cluster(const std::filesystem::path& file) {
  return load_cluster_with(file, {});
}

Cluster load_cluster_with(const std::filesystem::path& file,
                          const std::vector<sim::io::YamlOverride>& overrides) {
  return load_cluster_with(file, overrides, {});
}

Cluster load_cluster_with(const std::filesystem::path& file,
                          const std::vector<sim::io::YamlOverride>& overrides,
                          const NamedDevice& named) {
  YamlDocument document = YamlDocument::load(file);
  bool resized = false, is_named = false;
  for (const auto& [path, value, where] : overrides) {
    document.set(path, value, where);
    resized = resized || path == "nodes" || path == "gpus_per_node";
    is_named = is_named || path == "name";
  }
  Cluster cluster = read_cluster(document, file, named);
  if (resized && !is_named) {
    cluster.name = fmt::format("{} node{} of {} {}", cluster.nodes, cluster.nodes == 1 ? "" : "s",
                               cluster.gpus_per_node, cluster.device.name);
  }
  return cluster;
}

Cluster parse_cluster(const std::string& text, const std::filesystem::path& folder) {
  const auto file = folder / "cluster.yaml";
  return read_cluster(YamlDocument::parse(text, file.string()), file, {});
}

}  // namespace moesim::hardware
