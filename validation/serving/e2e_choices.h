// What a planner makes of predictions of measured engines: which deployment it would choose under a
// load, and what it would say that one carries within a target.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "validation/choices.h"
#include "validation/serving/e2e_validation.h"

namespace moesim::validation {

// Output tokens a second and GPU of a closed loop.
double rate_of(const E2eRow& row, double ttft_ms, double tpot_ms);

// Deployments of a model on a system under one load (lengths, clients), each once: repeats of one
// are no choice between two. By load, then by deployment; of those that did not fail.
using DeploymentsByLoad = std::map<std::string, std::map<std::string, const E2ePrediction*>>;
DeploymentsByLoad deployments_by_load(const std::vector<E2ePrediction>& predictions);

// Each load is a question, its deployments the options. By what a user sees (tokens a second, 1 /
// TPOT), or by what a GPU does.
enum class ChosenBy { UserSpeed, GpuRate };
Questions questions_of(const std::vector<E2ePrediction>& predictions, ChosenBy by);

// Targets of a token's time, ms.
inline constexpr std::array<double, 6> kCapacityTargets{10, 15, 20, 30, 50, 100};

// What a deployment carries within a target: its rate where the loads that it was measured under,
// ordered by clients, pass the target, on the line between the logarithms of their times and rates.
// Predicted of the same loads; where none of them passes the target, on the line through the two
// nearest, `beyond` them.
struct E2eCapacity {
  const E2ePrediction* of = nullptr;  // of its loads, the first
  double target_ms = 0;
  double measured = 0, predicted = 0;  // output tokens a second and GPU
  bool beyond = false;
};

// Of each deployment and lengths that three loads or more are known of, at each target that the
// measured times pass.
std::vector<E2eCapacity> capacities_of(const std::vector<E2ePrediction>& predictions);

E2eError error_of(const std::vector<E2eCapacity>& capacities);

}  // namespace moesim::validation
