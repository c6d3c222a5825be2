// "h100:12x8": so many nodes of so many GPUs, as a cluster that ships has them.
#pragma once

#include <optional>
#include <string>

#include "hardware/cluster.h"
#include "workloads/deployment/read.h"

namespace moesim::tools {

// Nothing where the text is not DEVICE:NODESxGPUS. Of files named DEVICE-… with as many GPUs a
// node: the one of that very name, else the one of most nodes, and of equals the shortest name
// (without a peculiarity: h100-32x8, not h100-32x8-fat-tree-2to1). Throws ConfigError that names
// the sizes of nodes that there are.
std::optional<workloads::SizedCluster> sized_cluster(const std::string& text);

// A cluster by its file, its name or its size.
hardware::Cluster named_cluster(const std::string& text,
                                const workloads::ClusterChanges& overrides = {});

}  // namespace moesim::tools
