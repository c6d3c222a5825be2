#include "tools/study/mixture.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "hardware/collectives/models.h"
#include "hardware/network/topology.h"
#include "workloads/report/input_hash.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using workloads::Deployment;
using workloads::Scenario;

void flatten(const Json& json, const std::string& path, std::map<std::string, std::string>& flat) {
  if (!json.is_object()) {
    flat[path] = json.is_string() ? json.get<std::string>() : json.dump();
    return;
  }
  for (const auto& [key, value] : json.items())
    flatten(value, path.empty() ? key : path + "." + key, flat);
}

void take(Part part, const Scenario& from, Scenario& to) {
  const Deployment& f = from.deployment;
  Deployment& t = to.deployment;
  switch (part) {
    case Part::Model:
      t.model = f.model;
      return;
    case Part::Device:
      t.cluster.device = f.cluster.device;
      t.cluster.collectives = f.cluster.collectives;
      t.cluster.kernels = f.cluster.kernels;
      return;
    case Part::Cluster: {
      hardware::Device device = std::move(t.cluster.device);
      auto collectives = std::move(t.cluster.collectives);
      auto kernels = std::move(t.cluster.kernels);
      t.cluster = f.cluster;
      t.cluster.device = std::move(device);
      t.cluster.collectives = std::move(collectives);
      t.cluster.kernels = std::move(kernels);
      return;
    }
    case Part::Precision:
      t.formats = f.formats;
      return;
    case Part::Layout:
      t.layout = f.layout;
      return;
    case Part::Placement:
      t.placement = f.placement;
      return;
    case Part::Routing:
      t.routing = f.routing;
      t.seed = f.seed;
      return;
    case Part::Kernels:
      t.kernels = f.kernels;
      t.all_reduce = f.all_reduce;
      t.tokens = f.tokens;
      return;
    case Part::Overlap:
      t.overlap = f.overlap;
      return;
    case Part::Engine:
      t.engine = f.engine;
      t.host = f.host;
      return;
    case Part::Load:
      to.question = from.question;
  }
}

// What is of links alone: two clusters of other devices may be wired alike.
bool wired_alike(const hardware::Cluster& a, const hardware::Cluster& b) {
  if (a.nodes != b.nodes || a.gpus_per_node != b.gpus_per_node || a.slow.size() != b.slow.size())
    return false;
  for (std::size_t i = 0; i < a.slow.size(); ++i) {
    if (a.slow[i].rank != b.slow[i].rank || a.slow[i].speed != b.slow[i].speed) return false;
  }
  const auto& x = a.topology->links;
  const auto& y = b.topology->links;
  return std::ranges::equal(x, y, [](const auto& l, const auto& m) {
    return l.from == m.from && l.to == m.to && l.capacity == m.capacity && l.latency == m.latency;
  });
}

bool same_device(const hardware::Device& a, const hardware::Device& b) {
  if (a.name != b.name || a.files.size() != b.files.size()) return false;
  for (std::size_t i = 0; i < a.files.size(); ++i) {
    if (a.files[i] != b.files[i] &&
        workloads::hash_of_file(a.files[i]) != workloads::hash_of_file(b.files[i]))
      return false;
  }
  return true;
}

}  // namespace

std::vector<KeyChange> changes_between(const Json& a, const Json& b) {
  std::map<std::string, std::string> left, right;
  flatten(a, "", left);
  flatten(b, "", right);
  std::set<std::string> keys;
  for (const auto& [key, value] : left) keys.insert(key);
  for (const auto& [key, value] : right) keys.insert(key);
  std::vector<KeyChange> changes;
  const auto text = [](const auto& flat, const std::string& key) {
    const auto found = flat.find(key);
    return found == flat.end() ? std::string("-") : found->second;
  };
  for (const std::string& key : keys) {
    KeyChange change{key, text(left, key), text(right, key)};
    if (change.a != change.b) changes.push_back(std::move(change));
  }
  return changes;
}

std::optional<Part> part_of(std::string_view key) {
  static const std::map<std::string_view, Part> kParts{{"model", Part::Model},
                                                       {"cluster", Part::Cluster},
                                                       {"cluster_changes", Part::Cluster},
                                                       {"precision", Part::Precision},
                                                       {"parallelism", Part::Layout},
                                                       {"placement", Part::Placement},
                                                       {"routing", Part::Routing},
                                                       {"seed", Part::Routing},
                                                       {"kernels", Part::Kernels},
                                                       {"overlap", Part::Overlap},
                                                       {"engine", Part::Engine},
                                                       {"host", Part::Engine},
                                                       {"step", Part::Load},
                                                       {"serving", Part::Load},
                                                       {"training", Part::Load}};
  const auto found = kParts.find(key.substr(0, key.find('.')));
  if (found == kParts.end()) return {};
  return found->second;
}

std::vector<Part> parts_between(const Scenario& a, const Scenario& b) {
  std::set<Part> parts;
  for (const KeyChange& change : changes_between(workloads::resolved(a), workloads::resolved(b))) {
    if (const auto part = part_of(change.key)) parts.insert(*part);
  }
  // Files of other names may say the same; the same cluster may have another device.
  const hardware::Cluster &x = a.deployment.cluster, &y = b.deployment.cluster;
  parts.erase(Part::Cluster);
  if (!wired_alike(x, y)) parts.insert(Part::Cluster);
  if (!same_device(x.device, y.device)) parts.insert(Part::Device);
  return {parts.begin(), parts.end()};
}

Scenario mixture(const Scenario& a, const Scenario& b, const std::vector<Part>& of_b) {
  Scenario mixed = a;
  for (const Part part : of_b) take(part, b, mixed);
  return mixed;
}

}  // namespace moesim::tools
