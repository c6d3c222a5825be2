// `autoscale:` of a pool, or of a service of one, from YAML.
#pragma once

#include "sim/io/yaml_reader.h"
#include "workloads/serving/loop/autoscaler.h"

namespace moesim::workloads::serving {

// Notes mistakes in the node's document.
ScaleRules read_scale(const sim::io::YamlNode& node);

}  // namespace moesim::workloads::serving
