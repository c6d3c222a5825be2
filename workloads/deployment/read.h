// A deployment from YAML: the keys of a scenario that say what stands (workloads/README.md).
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/io/yaml_reader.h"
#include "workloads/deployment/deployment.h"

namespace moesim::workloads {

// Folders of files that may be given by name instead of by path; empty: there are no names.
struct Shipped {
  std::filesystem::path engines = {};
};

// The files that a scenario was read from; empty where there is none.
struct Inputs {
  std::filesystem::path scenario = {}, model = {}, cluster = {}, engine = {};
  std::vector<std::string> defaults = {};  // what was chosen where the scenario leaves it open
};

// The keys that read_deployment() looks at.
std::span<const std::string_view> deployment_keys();

// Notes mistakes in the node's document; what is returned may be used once throw_errors() returned.
Deployment read_deployment(const sim::io::YamlNode& node, const Shipped& shipped, Inputs& inputs);

}  // namespace moesim::workloads
