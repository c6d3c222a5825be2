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

// The highest rate, in requests a second, at which the part of requests that the targets ask for
// meets all of them, at most the saturation's: by halving, with costs at the p90, as they are, and
// at the p10 of their interval.
struct ServingCapacity {
  std::string what;                  // "Mixtral 8x7B: 1 engine of 8 H100 SXM, tp 8"
  std::string target;                // "TTFT 2 s, TPOT 80 ms, 99.0 % of requests"
  double p10 = 0, p50 = 0, p90 = 0;  // requests a second
  serving::ServingReport::Saturation saturation = {};  // the largest steady batch's
  // Whether the targets were attained at the estimate of the saturation, beyond which no rate is
  // asked: what is carried may be more.
  bool p10_capped = false, p50_capped = false, p90_capped = false;
  std::int64_t gpus = 0, runs = 0;
  serving::ServingReport at = {};  // at p50
  // Broken off: of costs as they are, the highest rate that attained the targets and the lowest
  // that did not, 0 where there was none; the fields above are of what was done.
  bool partial = false;
  double attained_at = 0, missed_at = 0;
};
// Where a search for it begins and how closely it ends: studies, which have an estimate, ask many.
struct CapacitySearch {
  double start = 0;      // requests a second; 0: the saturation's
  double within = 0.01;  // what attains the targets and what does not differ by this part
  // What p10 and p90 have beside the cost models' interval; 0: those alone.
  double structure = kTokenStructure;
};

// options.stop breaks it off, options.progress is told its runs. Throws ConfigError where the
// scenario has no targets, or its requests have no single rate; InfeasibleError where no rate
// attains them.
ServingCapacity find_capacity(const Scenario& scenario, const RunOptions& options,
                              const CapacitySearch& search = {});

}  // namespace moesim::workloads
