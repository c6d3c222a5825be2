// `precision:` of a scenario and of a question of memory: number formats by part.
#pragma once

#include <optional>

#include "sim/io/yaml_reader.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// Over those that the model is stored in. Mistakes are noted on the nodes.
Formats read_formats(const std::optional<sim::io::YamlNode>& node, const ModelSpec& model);

}  // namespace moesim::workloads
