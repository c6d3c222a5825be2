#include "hardware/kernels/residual.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "sim/check.h"

namespace moesim::hardware {
namespace {

constexpr std::size_t kMostAxes = 6;

struct Place {
  std::size_t knot = 0;  // the one below
  double beyond = 0;     // the part of the way to the next
};

Place place_on(const std::vector<double>& knots, double x) {
  x = std::clamp(x, knots.front(), knots.back());
  const auto above = std::upper_bound(knots.begin(), knots.end() - 1, x);
  const std::size_t i = above == knots.begin() ? 0 : std::size_t(above - knots.begin()) - 1;
  const double a = knots[i], b = knots[std::min(i + 1, knots.size() - 1)];
  if (a == b) return {i, 0};
  return {i, knots.front() > 0 ? std::log(x / a) / std::log(b / a) : (x - a) / (b - a)};
}

// Calls visit(index, weight) for every corner that has a weight.
template <class Visit>
void visit_corners(const ResidualTable& table, std::span<const double> features, Visit visit) {
  const std::size_t dimensions = table.axes.size();
  SIM_CHECK(features.size() >= dimensions && dimensions <= kMostAxes,
            "a residual table has axes of its model");
  std::array<Place, kMostAxes> places;
  for (std::size_t d = 0; d < dimensions; ++d)
    places[d] = place_on(table.axes[d].second, features[d]);
  // Corners by their bits, of which axis d has bit d: each axis makes two of every one.
  std::array<std::size_t, std::size_t{1} << kMostAxes> index;
  std::array<double, std::size_t{1} << kMostAxes> weight;
  index[0] = 0;
  weight[0] = 1;
  for (std::size_t d = 0; d < dimensions; ++d) {
    const std::size_t corners = std::size_t{1} << d, knots = table.axes[d].second.size();
    const auto [knot, beyond] = places[d];
    for (std::size_t c = 0; c < corners; ++c) {
      index[c] = index[c] * knots + knot;
      index[c + corners] = index[c] + 1;
      weight[c + corners] = weight[c] * beyond;
      weight[c] *= 1 - beyond;
    }
  }
  for (std::size_t corner = 0; corner < (std::size_t{1} << dimensions); ++corner)
    if (weight[corner] > 0) visit(index[corner], weight[corner]);
}

}  // namespace

void find_corners(const ResidualTable& table, std::span<const double> features, Corners& corners) {
  corners.index.clear();
  corners.weight.clear();
  visit_corners(table, features, [&](std::size_t index, double weight) {
    corners.index.push_back(index);
    corners.weight.push_back(weight);
  });
}

double residual_at(const ResidualTable& table, std::span<const double> features) {
  if (table.values.empty()) return 0;
  double sum = 0;
  visit_corners(table, features,
                [&](std::size_t index, double weight) { sum += weight * table.values[index]; });
  return sum;
}

ResidualTable slice(const ResidualTable& table, std::size_t axis, double feature) {
  if (table.values.empty()) return {};
  SIM_CHECK(table.axes.size() > 1 && axis < table.axes.size(), "a slice has axes left");
  const std::vector<double>& knots = table.axes[axis].second;
  const auto [knot, beyond] = place_on(knots, feature);
  std::size_t inner = 1;  // values from a knot of the axis to the next
  for (std::size_t d = axis + 1; d < table.axes.size(); ++d) inner *= table.axes[d].second.size();
  ResidualTable left{.axes = table.axes, .values = {}};
  left.axes.erase(left.axes.begin() + static_cast<std::ptrdiff_t>(axis));
  const std::size_t outer = table.values.size() / (inner * knots.size());
  left.values.reserve(outer * inner);
  for (std::size_t o = 0; o < outer; ++o) {
    const double* const here = &table.values[(o * knots.size() + knot) * inner];
    for (std::size_t i = 0; i < inner; ++i)
      left.values.push_back(beyond > 0 ? (1 - beyond) * here[i] + beyond * here[i + inner]
                                       : here[i]);
  }
  return left;
}

}  // namespace moesim::hardware
