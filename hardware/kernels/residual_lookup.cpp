#include "hardware/kernels/residual_lookup.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "sim/check.h"

namespace moesim::hardware {
namespace {

constexpr std::size_t kMostAxes = 6;

}  // namespace

ResidualLookup::ResidualLookup(const ResidualTable& table) : values_(table.values) {
  if (values_.empty()) return;
  SIM_CHECK(table.axes.size() <= kMostAxes, "a residual table has axes of its model");
  for (const auto& [name, knots] : table.axes) {
    Axis axis{.knots = knots, .widths = {}, .logarithmic = knots.front() > 0, .stride = 1};
    for (std::size_t i = 0; i + 1 < knots.size(); ++i) {
      const double a = knots[i], b = knots[i + 1];
      axis.widths.push_back(axis.logarithmic ? std::log(b / a) : b - a);
    }
    for (Axis& before : axes_) before.stride *= knots.size();
    axes_.push_back(std::move(axis));
  }
}

double ResidualLookup::at(std::span<const double> features) const {
  if (values_.empty()) return 0;
  SIM_CHECK(features.size() >= axes_.size(), "a residual table has axes of its model");
  // Each axis on which the point lies between two knots makes two corners of every one.
  std::array<std::size_t, std::size_t{1} << kMostAxes> offset;
  std::array<double, std::size_t{1} << kMostAxes> weight;
  offset[0] = 0;
  weight[0] = 1;
  std::size_t corners = 1, base = 0;
  for (std::size_t d = 0; d < axes_.size(); ++d) {
    const Axis& axis = axes_[d];
    const double x = std::clamp(features[d], axis.knots.front(), axis.knots.back());
    std::size_t i = 0;
    while (i + 1 < axis.widths.size() && axis.knots[i + 1] <= x) ++i;
    base += i * axis.stride;
    const double a = axis.knots[i];
    if (x == a) continue;
    const double beyond = (axis.logarithmic ? std::log(x / a) : x - a) / axis.widths[i];
    for (std::size_t c = 0; c < corners; ++c) {
      offset[c + corners] = offset[c] + axis.stride;
      weight[c + corners] = weight[c] * beyond;
      weight[c] *= 1 - beyond;
    }
    corners *= 2;
  }
  double sum = 0;
  for (std::size_t c = 0; c < corners; ++c) sum += weight[c] * values_[base + offset[c]];
  return sum;
}

}  // namespace moesim::hardware
