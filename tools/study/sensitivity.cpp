#include "tools/study/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/check.h"
#include "sim/random.h"
#include "tools/study/sobol_sequence.h"

namespace moesim::tools {
namespace {

constexpr double kStep = 2.0 / 3;  // p / (2 (p - 1)) of p = 4 levels
constexpr std::size_t kDraws = 200;

// Results of f at n rows of A, B and A with a column of B, less their mean.
struct Matrices {
  std::size_t factors = 0, n = 0;
  std::vector<double> values = {};

  double a(std::size_t row) const { return values[row]; }
  double b(std::size_t row) const { return values[n + row]; }
  double ab(std::size_t factor, std::size_t row) const { return values[(2 + factor) * n + row]; }
};

double variance_of(const Matrices& m, std::span<const std::size_t> rows) {
  double sum = 0, squares = 0;
  for (const std::size_t row : rows) {
    sum += m.a(row) + m.b(row);
    squares += m.a(row) * m.a(row) + m.b(row) * m.b(row);
  }
  const auto n = 2 * static_cast<double>(rows.size());
  return squares / n - (sum / n) * (sum / n);
}

struct Plain {
  double first = 0, total = 0;
};

Plain parts_of(const Matrices& m, std::size_t factor, std::span<const std::size_t> rows,
               double variance) {
  if (variance <= 0) return {};
  Plain sum;
  for (const std::size_t row : rows) {
    const double change = m.ab(factor, row) - m.a(row);
    sum.first += m.b(row) * change;
    sum.total += change * change;
  }
  const double scale = static_cast<double>(rows.size()) * variance;
  return {sum.first / scale, sum.total / (2 * scale)};
}

SobolPart part_of(double value, std::vector<double> draws) {
  std::ranges::sort(draws);
  return {value, draws[draws.size() / 10], draws[draws.size() - 1 - draws.size() / 10]};
}

}  // namespace

std::vector<UnitPoint> morris_points(std::size_t factors, std::size_t paths, std::uint64_t seed) {
  sim::Random random(seed, "morris paths");
  std::vector<UnitPoint> points;
  std::vector<std::size_t> order(factors);
  for (std::size_t path = 0; path < paths; ++path) {
    UnitPoint at(factors);
    // From 0 or 1/3 up, or from 2/3 or 1 down.
    for (double& u : at) u = static_cast<double>(random.below(4)) / 3;
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t left = factors; left > 1; --left)
      std::swap(order[left - 1], order[random.below(left)]);
    points.push_back(at);
    for (const std::size_t factor : order) {
      at[factor] += at[factor] < 0.5 ? kStep : -kStep;
      at[factor] = std::clamp(at[factor], 0.0, 1.0);
      points.push_back(at);
    }
  }
  return points;
}

std::vector<MorrisEffect> morris_effects(const std::vector<UnitPoint>& points,
                                         std::span<const double> results) {
  SIM_CHECK(!points.empty() && points.size() == results.size(), "a result for each point");
  const std::size_t factors = points.front().size(), length = factors + 1;
  std::vector<std::vector<double>> effects(factors);
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i % length == 0) continue;
    for (std::size_t f = 0; f < factors; ++f) {
      const double moved = points[i][f] - points[i - 1][f];
      if (moved != 0) effects[f].push_back((results[i] - results[i - 1]) / moved);
    }
  }
  std::vector<MorrisEffect> all;
  for (const std::vector<double>& of_factor : effects) {
    MorrisEffect effect;
    const auto n = static_cast<double>(of_factor.size());
    for (const double e : of_factor) {
      effect.mean += e / n;
      effect.mean_size += std::abs(e) / n;
    }
    double squares = 0;
    for (const double e : of_factor) squares += (e - effect.mean) * (e - effect.mean);
    effect.deviation = of_factor.size() > 1 ? std::sqrt(squares / (n - 1)) : 0;
    all.push_back(effect);
  }
  return all;
}

std::vector<UnitPoint> sobol_points(std::size_t factors, std::size_t n, std::uint64_t seed) {
  SIM_CHECK(factors >= 1 && factors <= kMostSobolFactors, "more factors than Sobol's sequence has");
  SobolSequence sequence(2 * factors, seed);
  std::vector<UnitPoint> points((2 + factors) * n);
  for (std::size_t row = 0; row < n; ++row) {
    const std::vector<double> both = sequence.next();
    const auto half = both.begin() + static_cast<std::ptrdiff_t>(factors);
    points[row].assign(both.begin(), half);
    points[n + row].assign(half, both.end());
    for (std::size_t f = 0; f < factors; ++f) {
      UnitPoint& mixed = points[(2 + f) * n + row];
      mixed = points[row];
      mixed[f] = points[n + row][f];
    }
  }
  return points;
}

SobolResult sobol_parts(std::size_t factors, std::span<const double> results, std::uint64_t seed) {
  const std::size_t n = results.size() / (factors + 2);
  SIM_CHECK(n > 0 && n * (factors + 2) == results.size(), "n (k + 2) results");
  Matrices m{.factors = factors, .n = n, .values = {results.begin(), results.end()}};
  SobolResult result;
  for (std::size_t row = 0; row < 2 * n; ++row)
    result.mean += results[row] / static_cast<double>(2 * n);
  for (double& value : m.values) value -= result.mean;
  std::vector<std::size_t> rows(n);
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  result.variance = variance_of(m, rows);
  std::vector<Plain> plain;
  plain.reserve(factors);
  for (std::size_t f = 0; f < factors; ++f) plain.push_back(parts_of(m, f, rows, result.variance));
  sim::Random random(seed, "sobol draws");
  std::vector<std::vector<double>> first(factors), total(factors);
  for (std::size_t draw = 0; draw < kDraws; ++draw) {
    for (std::size_t& row : rows) row = random.below(n);
    const double variance = variance_of(m, rows);
    for (std::size_t f = 0; f < factors; ++f) {
      const Plain drawn = parts_of(m, f, rows, variance);
      first[f].push_back(drawn.first);
      total[f].push_back(drawn.total);
    }
  }
  for (std::size_t f = 0; f < factors; ++f)
    result.parts.push_back({part_of(plain[f].first, std::move(first[f])),
                            part_of(plain[f].total, std::move(total[f]))});
  return result;
}

}  // namespace moesim::tools
