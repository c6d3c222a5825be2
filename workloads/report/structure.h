// What whole engines, and steps, are off by beyond what the cost models' intervals say: schedulers,
// options, hosts and kernels that are in no model. Common to all of a run.
#pragma once

#include <cmath>

namespace moesim::workloads {

// Standard deviations of ln(measured / predicted): of a service's time per output token and of that
// to the first, set so that the 80 % intervals of measured engines cover 85 % of them, each group
// of rows weighing as much (what `moesim validate serving` prints, with what other models would
// have set); and of a step whose batch is given, which leaves schedulers out.
inline constexpr double kTokenStructure = 0.10, kFirstStructure = 0.30, kStepStructure = 0.06;

// Between the tenth, or the ninetieth, percentile of a normal distribution and its mean.
inline constexpr double kTenthDeviation = 1.2815515655446004;

// An end of an 80 % interval, over the value: the models' end and a structure, whose errors are
// independent: logarithms add up as squares. `below`: which end.
inline double with_structure(double end, double structure, bool below) {
  const double length = std::hypot(std::log(end), kTenthDeviation * structure);
  return std::exp(below ? -length : length);
}

}  // namespace moesim::workloads
