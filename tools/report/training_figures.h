// What only the run of a step of training knows, as figures: the pipeline's schedule, what it keeps
// over time, and what another interval of checkpoints would give.
#pragma once

#include "tools/report/page.h"
#include "workloads/training/question.h"

namespace moesim::workloads {
struct RunResult;
}

namespace moesim::tools {

// In their sections of a training page.
// REQUIRES: result.training
void add_training_figures(const workloads::RunResult& result,
                          const workloads::TrainingQuestion& question, Page& page);

}  // namespace moesim::tools
