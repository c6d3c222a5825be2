// What was asked, of what, in words: of the values that were used, whatever the scenario is called.
#pragma once

#include <string>

#include "workloads/deployment/deployment.h"
#include "workloads/step/step_question.h"

namespace moesim::workloads {

// "dp 8, ep 8": what is divided. Empty where nothing is.
std::string layout_text(const Parallelism& layout);

// "Mixtral-8x7B on 8 of 8 H100 SXM (dp 8, ep 8): decode, 32 sequences of 4096 keys a dp rank"
std::string describe(const Deployment& deployment, const StepQuestion& question);

}  // namespace moesim::workloads
