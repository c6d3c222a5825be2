// Runs a scenario that serves: the load as it is, its costs at both ends of their interval, and a
// sample of its iterations played again.
#pragma once

#include "workloads/run.h"
#include "workloads/serving/service.h"

namespace moesim::workloads {

// REQUIRES: the scenario's question is of serving
RunResult run_serving(const Scenario& scenario, const RunOptions& options);

// What of the deployment's cost models is known of such steps: p10 and p90 of their time over what
// it is, of those with prompts and of those without. 1 where there are none.
struct CostBand {
  double decode_low = 1, decode_high = 1, prompt_low = 1, prompt_high = 1;
};

}  // namespace moesim::workloads
