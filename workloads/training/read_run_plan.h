// `training.run` of a scenario: a whole run, its checkpoints, failures and drift.
#pragma once

#include "sim/io/yaml_reader.h"
#include "workloads/training/goodput.h"

namespace moesim::workloads {

// Notes mistakes in the node's document.
RunPlan read_run_plan(const sim::io::YamlNode& node);

}  // namespace moesim::workloads
