// A part of a whole, as YAML: 0.12, or "12 %".
#pragma once

#include "sim/io/yaml_reader.h"

namespace moesim::sim::io {

// Notes a mistake where it is neither, or not within the ends; then `least`.
double read_share(const YamlNode& node, double least, double most);

}  // namespace moesim::sim::io
