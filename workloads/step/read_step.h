// `step:` of a scenario.
#pragma once

#include <optional>
#include <string>

#include "sim/io/yaml_reader.h"
#include "workloads/deployment/check.h"
#include "workloads/step/step_question.h"

namespace moesim::workloads {

// Notes mistakes in the node's document; what is returned may be used once throw_errors() returned.
StepQuestion read_step(const sim::io::YamlNode& node);

// Whether the deployment can be asked this: every problem, empty where there is none.
std::vector<Problem> check(const Deployment& deployment, const StepQuestion& question);

// What the reader must know of prompts longer than the model's context: training and services that
// extend its positions have them.
std::optional<std::string> note_of_context(const Deployment& deployment,
                                           const StepQuestion& question);

}  // namespace moesim::workloads
