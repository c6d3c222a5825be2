// `training:` of a scenario.
#pragma once

#include <optional>

#include "hardware/reliability.h"
#include "sim/io/json.h"
#include "sim/io/yaml_reader.h"
#include "workloads/deployment/check.h"
#include "workloads/training/question.h"

namespace moesim::workloads {

// Notes mistakes in the node's document; what is returned may be used once throw_errors() returned
// and check() found nothing. Stages are laid out for the deployment's model and pipeline.
// `stated`: how often the cluster's GPUs stop, where its file says so.
TrainingQuestion read_training_question(const sim::io::YamlNode& node, const Deployment& deployment,
                                        const std::optional<hardware::Reliability>& stated = {});

// Sets overlap.expert where it is not said: DualPipe of a model with experts is made of woven
// passes; other schedules have none.
void settle_overlap(TrainingQuestion& question, const ModelSpec& model);
inline bool is_dual(const TrainingQuestion& question) {
  return question.schedule == ScheduleName::DualPipe ||
         question.schedule == ScheduleName::DualPipeV;
}

// Stages of the whole model that its schedule cuts on so many pipeline ranks.
std::int64_t stages_of(const TrainingQuestion& question, std::int64_t pp);

// What a job's host takes where the scenario does not say: Megatron-Core records no graphs, and its
// operations take as long as those of Moonlight's step on eight H100 (README.md, "The host").
void training_host(Host& host);
// Once a question is read, what `kernels` names for it is in it: cores (`attention`).
void training_kernels(hardware::KernelChoice& kernels);
// What of it only training has, in a deployment that is not trained on.
std::vector<Problem> check_host(const Host& host);

// Whether the deployment can be asked this: every problem, empty where there is none.
// REQUIRES: check(deployment) found nothing
std::vector<Problem> check(const Deployment& deployment, const TrainingQuestion& question);

// Every value, defaults included, as it is used.
sim::io::Json to_json(const TrainingQuestion& question);

}  // namespace moesim::workloads
