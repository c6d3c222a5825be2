// Clusters whose device is a name, "h200", where it is no file.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hardware/cluster.h"

namespace moesim::hardware {

// The file of the device that has this name. Throws ConfigError that says what would do.
using NamedDevice = std::function<std::filesystem::path(const std::string& name)>;

// As load_cluster_with(); with no `named` a device is a path.
Cluster load_cluster_with(const std::filesystem::path& file,
                          const std::vector<sim::io::YamlOverride>& overrides,
                          const NamedDevice& named);

}  // namespace moesim::hardware
