// A scenario that is written inside another file.
#pragma once

#include "sim/io/yaml_reader.h"
#include "workloads/scenario.h"

namespace moesim::validation {

// A path of a scenario, or a scenario inline; paths in it are relative to the file that it is in.
// Throws as load_scenario() does.
workloads::Scenario scenario_of(const sim::io::YamlNode& node);

}  // namespace moesim::validation
