// A whole plan on a machine: twice, in two shuffled orders, within a budget of time.
#pragma once

#include <functional>

#include "validation/cuda/protocol/kernel_record.h"
#include "validation/cuda/protocol/measure.h"

namespace moesim::validation::cuda {

struct RunOptions {
  double budget_seconds = 240;  // from now on
  std::uint64_t seed = 1;
  MeasureOptions measure;
  std::function<double()> clock;   // seconds since some start
  std::int64_t from = 0;           // the step to begin with: those before are measured already
  KernelRecord* record = nullptr;  // kernels to leave out, and those that this run finds to be
};

// A point of the plan in one of the two passes.
struct RunStep {
  int pass = 0;
  std::size_t point = 0;
};
// In the order in which they are measured: pass 1 goes through all points before pass 2 begins.
std::vector<RunStep> run_steps(std::size_t points, std::uint64_t seed);

struct RunSummary {
  int measured = 0, flagged = 0, skipped = 0, left_out = 0;  // of the points, both passes counted
  void count(const PointResult& result);
  bool complete() const { return left_out == 0; }
};

// Hears of each step before and after it, and of each kernel before it runs (may be empty); `done`
// returns whether the run goes on.
struct RunListener {
  std::function<void(std::int64_t step, const PlanPoint&)> begin;
  std::function<void(const std::string& kernel)> at = {};
  std::function<bool(std::int64_t step, const PlanPoint&, const PointResult&)> done;
};

// The points of the second pass are left out first when the budget runs short.
RunSummary run_plan(Machine& machine, const Plan& plan, const RunOptions& options,
                    const RunListener& listener);

// What the points file says of where it is from.
Metadata points_metadata(const Machine& machine, const Plan& plan, std::uint64_t seed);

}  // namespace moesim::validation::cuda
