// What is recomputed must be there.
#pragma once

#include <string>
#include <vector>

#include "workloads/memory/training_plan.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

bool has_shared_experts(const ModelSpec& model);

// "mlp: NAME has no dense feed-forward layers: leave it out", each that the model lacks.
std::vector<std::string> recompute_problems(const ModelSpec& model, const Recompute& recompute);

}  // namespace moesim::workloads
