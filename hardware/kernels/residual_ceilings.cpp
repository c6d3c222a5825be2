#include "hardware/kernels/residual_ceilings.h"

#include <algorithm>

#include "sim/check.h"

namespace moesim::hardware {

ResidualCeilings::ResidualCeilings(const ResidualTable& table) {
  if (table.values.empty()) return;
  axes_ = table.axes.size();
  SIM_CHECK(axes_ <= kMostAxes, "a table with ceilings has a few axes");
  std::size_t stride = table.values.size();
  for (std::size_t axis = 0; axis < axes_; ++axis) {
    knots_[axis] = table.axes[axis].second;
    strides_[axis] = stride /= knots_[axis].size();
  }
  for (std::size_t axis = 0; axis < axes_; ++axis) {
    std::vector<double>& most = most_[axis] = table.values;
    for (std::size_t other = 0; other < axes_; ++other) {
      if (other == axis) continue;
      for (std::size_t i = 0; i < most.size(); ++i)
        if (i / strides_[other] % knots_[other].size() > 0)
          most[i] = std::max(most[i], most[i - strides_[other]]);
    }
  }
}

ResidualCeilings::Place ResidualCeilings::place(std::span<const double> features) const {
  Place place;
  for (std::size_t axis = 0; axis < axes_; ++axis) {
    const std::vector<double>& knots = knots_[axis];
    std::size_t above = 0;
    while (above + 1 < knots.size() && knots[above] < features[axis]) ++above;
    place.above[axis] = above;
    place.index += above * strides_[axis];
  }
  return place;
}

}  // namespace moesim::hardware
