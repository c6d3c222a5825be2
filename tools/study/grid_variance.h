// Parts of the variance of a result over a whole grid: exact, since all its points are there.
//
//   alone       Var(mean of the others) / Var
//   with all    mean(Var within the others' values) / Var
//
// As Sobol's parts of a box (sensitivity.h), of the values that were asked, each as likely.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace moesim::tools {

struct GridFactor {
  double alone = 0, with_all = 0;  // 0 where nothing varies
  std::vector<double> means = {};  // of the result at each value, over the others
};

struct GridVariance {
  double mean = 0, variance = 0;
  std::vector<GridFactor> factors = {};
};

// `results` in the mixed-radix order of the sizes, the first the slowest.
// REQUIRES: as many as the product of the sizes, which are above 0
GridVariance grid_variance(std::span<const std::size_t> sizes, std::span<const double> results);

}  // namespace moesim::tools
