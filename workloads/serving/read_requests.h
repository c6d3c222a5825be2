// `serving.requests` from YAML.
#pragma once

#include "sim/io/yaml_reader.h"
#include "workloads/serving/question.h"

namespace moesim::workloads::serving {

// Notes mistakes in the node's document.
void read_requests(const sim::io::YamlNode& node, ServingQuestion& question);

}  // namespace moesim::workloads::serving
