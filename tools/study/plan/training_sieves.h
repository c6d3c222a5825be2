// Runs of training that are thought of, and what is refused without a pass being played.
//
//   layout   a batch that does not divide (batch), what the model or training cannot be laid out as
//   memory   what does not fit were all experts alike
//   floor    what takes longer than the days there are at the datasheet's rate (floor_days), or
//            more than the limits
#pragma once

#include "tools/study/plan/plan_work.h"

namespace moesim::tools {

// Adds all candidates, and leaves in `work.left` those that pass.
void sieve_training(PlanWork& work);

}  // namespace moesim::tools
