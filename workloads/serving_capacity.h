// How much a deployment carries: the highest rate of requests within its targets.
#pragma once

#include <cstdint>
#include <string>

#include "workloads/report/structure.h"
#include "workloads/run.h"
#include "workloads/serving/service.h"

namespace moesim::workloads {

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
