// A whole plan on a machine: twice, in two shuffled orders, within a budget of time.
#pragma once

#include <functional>

#include "validation/cuda/protocol/measure.h"

namespace moesim::validation::cuda {

struct RunOptions {
  double budget_seconds = 240;
  std::uint64_t seed = 1;
  MeasureOptions measure;
  std::function<double()> clock;  // seconds since some start
};

struct RunSummary {
  int measured = 0, flagged = 0, skipped = 0, left_out = 0;  // of the points, both passes counted
  bool complete() const { return left_out == 0; }
};

// Calls `line` with the header and then with each point, as soon as it is known. The points of the
// second pass are left out first when the budget runs short: pass 1 goes through all points.
RunSummary run_plan(Machine& machine, const Plan& plan, const RunOptions& options,
                    const std::function<void(const std::string&)>& line,
                    const std::function<void(const PlanPoint&, const PointResult&)>& progress);

// What the points file says of where it is from.
Metadata points_metadata(const Machine& machine, const Plan& plan, const RunOptions& options);

}  // namespace moesim::validation::cuda
