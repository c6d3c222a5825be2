// `serving.requests` from YAML.
#pragma once

#include "sim/io/yaml_reader.h"
#include "workloads/serving/question.h"

namespace moesim::workloads::serving {

// Both note mistakes in the node's document.
void read_requests(const sim::io::YamlNode& node, ServingQuestion& question);
// "24 /s", of at least so many a second.
double read_rate(const sim::io::YamlNode& node, double least = 1e-9);

}  // namespace moesim::workloads::serving
