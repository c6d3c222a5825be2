// A deployment from YAML: the keys of a scenario that say what stands (workloads/README.md).
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/io/yaml_reader.h"
#include "workloads/deployment/deployment.h"

namespace moesim::sim::io {
class FileHashes;
}

namespace moesim::workloads {

// What is otherwise than in a cluster's file.
using ClusterChanges = std::vector<sim::io::YamlOverride>;

struct SizedCluster {
  std::filesystem::path file;
  ClusterChanges changes = {};
};

// Files that may be given by name instead of by path; empty: there are no names.
struct Shipped {
  std::filesystem::path engines = {};  // their folder
  // The file that a name stands for, of a kind ("models", "clusters", "traces"). Throws ConfigError
  // that names the closest ones where there is none.
  std::function<std::filesystem::path(const std::string& kind, const std::string& name)> find = {};
  // What "h100:12x8" stands for; nothing for a text of another form. Throws ConfigError.
  std::function<std::optional<SizedCluster>(const std::string& text)> sized = {};
  // How a cluster's file is read; empty: hardware::load_cluster_with(), which it must equal.
  std::function<hardware::Cluster(const std::filesystem::path&, const ClusterChanges&)> cluster =
      {};
};

// The files that a scenario was read from; empty where there is none.
struct Inputs {
  std::filesystem::path scenario = {}, model = {}, cluster = {}, engine = {};
  std::vector<std::int64_t> keep_layers = {};  // of the model's; empty: all
  ClusterChanges cluster_changes = {};
  std::vector<std::string> defaults = {};  // what was chosen where the scenario leaves it open
  // Where the files' hashes are kept; may be none. Changes no answer.
  std::shared_ptr<sim::io::FileHashes> hashes = nullptr;
};

// The keys that read_deployment() looks at.
std::span<const std::string_view> deployment_keys();

// The file that a node names: by its path, or where there is no such file and it looks like a name,
// what ships under it. Notes a mistake where it is neither.
std::filesystem::path shipped_file(const sim::io::YamlNode& node, const std::string& kind,
                                   const Shipped& shipped);

// `keep_layers:`: how many of the first, or a list of them; empty where they are not to be kept
// alone.
std::vector<std::int64_t> read_kept_layers(const sim::io::YamlNode& node, const ModelSpec& model);

// `parallelism:`, there or in a part of a question that has a layout of its own.
Parallelism read_parallelism(const std::optional<sim::io::YamlNode>& node, bool has_experts);

// Notes mistakes in the node's document; what is returned may be used once throw_errors() returned.
Deployment read_deployment(const sim::io::YamlNode& node, const Shipped& shipped, Inputs& inputs);

}  // namespace moesim::workloads
