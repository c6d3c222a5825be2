// The most that a residual table says at a knot of one axis, with no more on the others than a
// place has: where it says no more than at the place itself, nobody need look.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "hardware/kernels/residual.h"

namespace moesim::hardware {

class ResidualCeilings {
 public:
  static constexpr std::size_t kMostAxes = 3;

  // REQUIRES: no more axes than that
  explicit ResidualCeilings(const ResidualTable& table);

  // On each axis the first knot that is no less, else the last.
  struct Place {
    std::array<std::size_t, kMostAxes> above{};
    std::size_t index = 0;  // of that corner
  };
  Place place(std::span<const double> features) const;
  // REQUIRES: a table that is not empty
  double at(std::size_t axis, std::size_t knot, const Place& place) const {
    return most_[axis][place.index - place.above[axis] * strides_[axis] + knot * strides_[axis]];
  }
  const std::vector<double>& knots(std::size_t axis) const { return knots_[axis]; }

 private:
  std::size_t axes_ = 0;
  std::array<std::vector<double>, kMostAxes> knots_;
  std::array<std::size_t, kMostAxes> strides_{};
  std::array<std::vector<double>, kMostAxes> most_;  // by axis: [as the table's values]
};

}  // namespace moesim::hardware
