// `training:` of a scenario.
#pragma once

#include "sim/io/json.h"
#include "sim/io/yaml_reader.h"
#include "workloads/deployment/check.h"
#include "workloads/training/question.h"

namespace moesim::workloads {

// Notes mistakes in the node's document; what is returned may be used once throw_errors() returned
// and check() found nothing. Stages are laid out for the deployment's model and pipeline.
TrainingQuestion read_training_question(const sim::io::YamlNode& node,
                                        const Deployment& deployment);

// Whether the deployment can be asked this: every problem, empty where there is none.
// REQUIRES: check(deployment) found nothing
std::vector<Problem> check(const Deployment& deployment, const TrainingQuestion& question);

// Every value, defaults included, as it is used.
sim::io::Json to_json(const TrainingQuestion& question);

}  // namespace moesim::workloads
