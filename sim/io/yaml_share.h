// A part of a whole, as people write it: 0.005, or 0.5 %.
#pragma once

#include "sim/io/yaml_reader.h"

namespace moesim::sim::io {

// From `least` to `most`, as a number: "0.5 %" and "0.5%" are 0.005. Notes a mistake where the text
// is neither a number nor a percentage, or out of the range.
double share_of(const YamlNode& node, double least = 0, double most = 1);

}  // namespace moesim::sim::io
