// `routing:` of a scenario: a trace and how it is mapped, a law, or loads by rank.
#pragma once

#include <optional>

#include "sim/io/yaml_reader.h"
#include "workloads/deployment/deployment.h"
#include "workloads/deployment/read.h"

namespace moesim::workloads {

// Mistakes are noted on the nodes. Without a node: uniform.
RoutingChoice read_routing(const std::optional<sim::io::YamlNode>& node, const Shipped& shipped);

}  // namespace moesim::workloads
