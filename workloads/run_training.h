// Runs a scenario that asks for training: a step on one expert group and the pipeline
// (training/step_time.h), its memory, and what a run takes.
#pragma once

#include "workloads/run.h"

namespace moesim::workloads {

// REQUIRES: scenario.training(). Throws as run() does.
RunResult run_training(const Scenario& scenario, const RunOptions& options);

}  // namespace moesim::workloads
