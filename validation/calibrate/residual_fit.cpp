#include "validation/calibrate/residual_fit.h"

#include <cmath>
#include <numeric>

namespace moesim::validation {
namespace {

using Vector = std::vector<double>;

constexpr int kReweightings = 5;
constexpr int kSteps = 200;
constexpr double kConverged = 1e-10;  // of the squared norm of the gradient

double dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// The points' corners, and the products with them that conjugate gradients need.
struct System {
  std::vector<hardware::Corners> corners;
  Vector weight;
  double penalty;

  double at(const Vector& z, std::size_t point) const {
    double sum = 0;
    const hardware::Corners& c = corners[point];
    for (std::size_t i = 0; i < c.index.size(); ++i) sum += c.weight[i] * z[c.index[i]];
    return sum;
  }
  void add(Vector& out, std::size_t point, double amount) const {
    const hardware::Corners& c = corners[point];
    for (std::size_t i = 0; i < c.index.size(); ++i) out[c.index[i]] += c.weight[i] * amount;
  }
  // (A^T W A + penalty I) z
  Vector apply(const Vector& z) const {
    Vector out(z.size());
    for (std::size_t i = 0; i < z.size(); ++i) out[i] = penalty * z[i];
    for (std::size_t p = 0; p < corners.size(); ++p) add(out, p, weight[p] * at(z, p));
    return out;
  }
};

void solve(const System& system, const Vector& target, Vector& z) {
  Vector residual = system.apply(z);
  for (std::size_t i = 0; i < z.size(); ++i) residual[i] = target[i] - residual[i];
  Vector direction = residual;
  double norm = dot(residual, residual);
  const double enough = norm * kConverged;
  for (int step = 0; step < kSteps && norm > enough && norm > 0; ++step) {
    const Vector image = system.apply(direction);
    const double length = norm / dot(direction, image);
    for (std::size_t i = 0; i < z.size(); ++i) {
      z[i] += length * direction[i];
      residual[i] -= length * image[i];
    }
    const double next = dot(residual, residual);
    for (std::size_t i = 0; i < z.size(); ++i)
      direction[i] = residual[i] + next / norm * direction[i];
    norm = next;
  }
}

}  // namespace

hardware::ResidualTable fit_residual(hardware::ResidualTable axes,
                                     std::span<const ResidualSample> samples, double penalty,
                                     double scale) {
  std::size_t size = axes.axes.empty() ? 0 : 1;
  for (const auto& [name, knots] : axes.axes) size *= knots.size();
  axes.values.assign(size, 0);
  if (size == 0 || samples.empty()) return axes;
  System system{.corners = {}, .weight = Vector(samples.size(), 1), .penalty = penalty};
  system.corners.resize(samples.size());
  for (std::size_t p = 0; p < samples.size(); ++p)
    hardware::find_corners(axes, samples[p].features, system.corners[p]);
  Vector z(size, 0);
  for (int round = 0; round < kReweightings; ++round) {
    Vector target(size, 0);
    for (std::size_t p = 0; p < samples.size(); ++p) {
      const double left = (samples[p].ln_ratio - system.at(z, p)) / scale;
      system.weight[p] = 1 / std::sqrt(1 + left * left);
      system.add(target, p, system.weight[p] * samples[p].ln_ratio);
    }
    solve(system, target, z);
  }
  axes.values = std::move(z);
  return axes;
}

}  // namespace moesim::validation
