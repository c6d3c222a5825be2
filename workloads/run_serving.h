// Runs a scenario that serves: the load as it is, its costs at both ends of their interval, and a
// sample of its iterations played again.
#pragma once

#include <functional>

#include "workloads/report/structure.h"
#include "workloads/run.h"
#include "workloads/serving/service.h"

namespace moesim::workloads {

// REQUIRES: the scenario's question is of serving
RunResult run_serving(const Scenario& scenario, const RunOptions& options);
// With its service there: whoever runs one engine under several loads keeps its prices (Service's
// second constructor). REQUIRES: the service is of the scenario's deployment and question
RunResult run_serving(const Scenario& scenario, serving::Service& service,
                      const RunOptions& options);

// What of the deployment's cost models is known of such steps: p10 and p90 of their time over what
// it is, of those with prompts and of those without. 1 where there are none.
struct CostBand {
  double decode_low = 1, decode_high = 1, prompt_low = 1, prompt_high = 1;
};

// From the service's sampled iterations. Played again: some milliseconds each.
CostBand band_of(serving::Service& service);
// What whole engines were off by beside it, too: independent of the models, common to the run.
CostBand with_structure(const CostBand& models, double structure);

// 80 % intervals of what the service's last run came to, by runs of it at both ends of the band and
// of what engines are off by beside it (report/structure.h): of the first token's time that is
// more.
void write_intervals(serving::Service& service, const CostBand& models,
                     const std::function<bool()>& stop, serving::ServingReport& report);

}  // namespace moesim::workloads
