// `training.run` of a scenario: a whole run, its checkpoints, failures and drift.
#pragma once

#include <optional>

#include "hardware/reliability.h"
#include "sim/io/yaml_reader.h"
#include "workloads/training/goodput.h"

namespace moesim::workloads {

// Notes mistakes in the node's document. Failures that it does not tell are as often as the
// cluster's file says, where that says something: `stated`.
RunPlan read_run_plan(const sim::io::YamlNode& node,
                      const std::optional<hardware::Reliability>& stated = {});

}  // namespace moesim::workloads
