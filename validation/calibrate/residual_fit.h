// Fits a residual table: robust least squares of what a formula leaves over, with a penalty on the
// table's values, so that a knot without points stays at zero. Deterministic.
#pragma once

#include <span>
#include <vector>

#include "hardware/kernels/residual.h"

namespace moesim::validation {

struct ResidualSample {
  std::vector<double> features;
  double ln_ratio = 0;  // ln(measured / formula)
};

// `axes` without values. `penalty`: a knot needs about this many points to take half of what they
// ask for. `scale`: deviations beyond it count in proportion, not squared.
hardware::ResidualTable fit_residual(hardware::ResidualTable axes,
                                     std::span<const ResidualSample> samples, double penalty,
                                     double scale);

}  // namespace moesim::validation
