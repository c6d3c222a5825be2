// What a fit has seen of one input of its model, and what a value beyond that is worth.
#pragma once

#include <string_view>
#include <vector>

#include "hardware/device.h"

namespace moesim::hardware {

class SeenRange {
 public:
  // By the axis's name in the fit's `valid`, and in its `seen` where it is counted.
  SeenRange(const FittedModel& model, std::string_view axis);

  double least() const { return least_; }
  double most() const { return most_; }
  // Empty where values are not counted.
  const std::vector<double>& counted() const { return counted_; }

  // Whether a value lies beyond what was seen: outside the range, or, where values are counted,
  // between two of them. Zero never does: the shape has nothing of that axis.
  bool is_outside(double value) const;

  // How far a value outside may put a prediction off, the 90th percentile of |ln(true / predicted)|
  // beside the fit's own errors: zero at the range's edge, more with every octave beyond.
  // `known`: the factor beyond the range up to which a hold-out of whole values speaks for itself,
  // between two of them too; the doubt is of the way from there.
  // REQUIRES: is_outside(value), known >= 1
  double doubt(double value, double known = 1) const;

 private:
  bool known_ = false;
  double least_ = 0, most_ = 0;
  std::vector<double> counted_;
};

}  // namespace moesim::hardware
