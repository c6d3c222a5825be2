// A residual table that is asked thousands of times: what its knots say alone is worked out once.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "hardware/kernels/residual.h"

namespace moesim::hardware {

class ResidualLookup {
 public:
  explicit ResidualLookup(const ResidualTable& table);
  bool empty() const { return values_.empty(); }
  // residual_at(table, features), to the bit.
  double at(std::span<const double> features) const;

 private:
  struct Axis {
    std::vector<double> knots;
    std::vector<double> widths;  // from each knot to the next, in logarithms or as they are
    bool logarithmic;
    std::size_t stride;  // values from a knot to the next
  };

  std::vector<Axis> axes_;
  std::vector<double> values_;
};

}  // namespace moesim::hardware
