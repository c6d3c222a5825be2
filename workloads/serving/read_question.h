// `serving:` from YAML; the keys are in workloads/serving/README.md.
#pragma once

#include <string>
#include <vector>

#include "sim/io/json.h"
#include "sim/io/yaml_reader.h"
#include "workloads/deployment/check.h"
#include "workloads/serving/question.h"

namespace moesim::workloads::serving {

// Notes mistakes in the node's document; what is returned may be used once throw_errors() returned.
// What neither the scenario nor its engine's file says is told in `defaults`.
ServingQuestion read_question(const sim::io::YamlNode& node, const Deployment& deployment,
                              std::vector<std::string>& defaults);

// As it will be used, defaults included.
sim::io::Json to_json(const ServingQuestion& question);

// Whether the deployment can be asked this: every problem, empty where there is none.
std::vector<Problem> check(const Deployment& deployment, const ServingQuestion& question);

}  // namespace moesim::workloads::serving
