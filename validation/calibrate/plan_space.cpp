#include "validation/calibrate/plan_space.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace moesim::validation {
namespace {

constexpr double kMostRows = 131072;  // of all groups of a point together
constexpr double kMostFlops = 6e13;

// Distance in units of each direction's range, in logarithms.
double distance(const Candidate& a, const Candidate& b) {
  const auto part = [](double x, double y, double range) {
    return std::fabs(std::log(x / y)) / std::log(range);
  };
  const double d[] = {part(a.shape.n, b.shape.n, 300), part(a.shape.k, b.shape.k, 300),
                      part(a.rows, b.rows, 4096), part(a.active, b.active, 256)};
  double sum = 0;
  for (const double x : d) sum += x * x;
  return sum;
}

std::vector<int> up_to(int most, std::vector<int> levels) {
  std::erase_if(levels, [&](int level) { return level > most; });
  if (levels.empty()) levels.push_back(1);
  return levels;
}

}  // namespace

Levels fitted_levels(int most_experts) {
  return {{1, 4, 16, 64, 256, 1024, 4096}, up_to(most_experts, {1, 4, 16, 64, 256})};
}

Levels unseen_levels(int most_experts) {
  return {{2, 9, 40, 130, 700, 2500}, up_to(most_experts, {2, 9, 40, 120})};
}

std::vector<Candidate> candidates(std::span<const WeightShape> shapes, const Levels& levels,
                                  double weight_bytes) {
  std::vector<Candidate> pool;
  for (const WeightShape& shape : shapes) {
    for (const int rows : levels.rows) {
      for (const int active : levels.active) {
        const double all = double{1} * rows * active, values = double{1} * shape.n * shape.k;
        if (all > kMostRows || 2 * values * active > weight_bytes ||
            2 * all * values > kMostFlops) {
          continue;
        }
        pool.push_back({shape, rows, active});
      }
    }
  }
  return pool;
}

std::vector<Candidate> spread(std::span<const Candidate> pool, int count) {
  std::vector<Candidate> taken;
  std::vector<double> nearest(pool.size(), std::numeric_limits<double>::infinity());
  while (static_cast<int>(taken.size()) < count && taken.size() < pool.size()) {
    const auto next = std::max_element(nearest.begin(), nearest.end()) - nearest.begin();
    taken.push_back(pool[static_cast<std::size_t>(next)]);
    for (std::size_t i = 0; i < pool.size(); ++i) {
      nearest[i] = std::min(nearest[i], distance(pool[i], taken.back()));
    }
  }
  return taken;
}

}  // namespace moesim::validation
