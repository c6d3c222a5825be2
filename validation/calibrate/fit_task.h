// Fits a cost model to a task: parameters by a robust loss on the logarithm of the time, then the
// residual table, then hold-outs of whole groups (shapes, models, node counts) that give the error
// and the intervals. Deterministic.
//
// With a prior of the same architecture the search runs beside the prior's residual table, and what
// is fitted of a table is what its points say beyond it. Of the prior as it is, of its table with
// new parameters, and of both new, the one that misses what was held out by least is taken.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hardware/device.h"
#include "validation/calibrate/task.h"
#include "validation/statistics.h"

namespace moesim::validation {

struct FitOptions {
  int folds = 4;              // hold-outs; each group is in one. Fewer than two: none
  std::size_t points = 2500;  // that the parameters are searched on; the residual sees all
  int evaluations = 3000;     // of the loss; half as many in each hold-out
  int starts = 6;             // of the search, spread around the model's initial values
  double residual_penalty = 0.5;
  bool residual = true;  // where the hold-outs are better for it
  // Of a sibling, to start from and to stay near: each point of data weighs against `prior_points`
  // of its parameters. For few points. Where its `other_generation` is set, its residual table, its
  // range and its interval say nothing.
  const hardware::FittedModel* prior = nullptr;
  double prior_points = 12;
  // The fit whose interval is taken over where nothing can be held out; null: what the fit itself
  // misses by, and wider.
  const hardware::FittedModel* nearest = nullptr;
  std::string source = {};  // for the provenance
};

struct Outlier {
  std::size_t item = 0;
  double measured_us = 0, predicted_us = 0;
};

struct FitResult {
  hardware::FittedModel model;
  ErrorSummary in_sample;
  ErrorSummary hold_out;          // n = 0: there was none
  ErrorSummary unseen;            // of whole group sizes, held out; n = 0: there was none
  std::vector<Outlier> outliers;  // off by a factor of two or more, the farthest first
};

// REQUIRES: the task has measured items.
FitResult fit_task(const Task& task, const FitOptions& options);

}  // namespace moesim::validation
