// How far predictions are off: absolute percentage errors, bias, coverage.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace moesim::validation {

// The value below which the part `q` of the values lies, linear between neighbours (the definition
// of numpy.percentile). REQUIRES: values not empty, 0 <= q <= 1
double quantile(std::vector<double> values, double q);

// A measured time, what was predicted, and the ends of the predicted 90 % interval.
struct Comparison {
  double measured = 0, predicted = 0, low = 0, high = 0;
};

struct ErrorSummary {
  std::int64_t n = 0;
  double mape = 0;        // mean of |predicted / measured - 1|, percent
  double median = 0;      // its median
  double p90 = 0;         // its 90th percentile
  double bias = 0;        // median of predicted / measured - 1, percent: above zero is too slow
  double coverage90 = 0;  // percent of the measured times that lie within [low, high]
};

ErrorSummary summarise(std::span<const Comparison> comparisons);

}  // namespace moesim::validation
