// The search for a model's parameters on items of a task: a robust loss on the logarithm of the
// time, from several starts. Deterministic.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "validation/calibrate/task.h"

namespace moesim::validation {

struct SearchOptions {
  std::size_t points = 2500;  // that the loss is taken on
  int evaluations = 3000;     // of the loss
  int starts = 6;             // spread around `start`
  double step = 0.3;          // ln: of the first simplex
  double prior_points = 12;   // that the prior weighs as much as
};

struct Search {
  std::vector<double> start;  // in the order of the task's parameters
  std::vector<double> prior;  // to stay near; empty: none
  // ln, for each item of the task: what is added to the formula, of a prior's residual table.
  // Empty: nothing.
  std::vector<double> beside;
};

// Deviations of ln(predicted / measured): squared below a scale of 4 %, in proportion beyond.
double soft_loss(double deviation);

// The parameters, within their ranges. Those of which no item tells, since its time is the same
// with where the search started, are where it started. REQUIRES: items not empty, all of them
// measured
std::vector<double> search(const Task& task, std::span<const std::size_t> items, const Search& from,
                           const SearchOptions& options);

}  // namespace moesim::validation
