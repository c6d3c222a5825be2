#include "tools/study/sensitivity.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <set>

#include "tools/study/sobol_sequence.h"

using namespace moesim::tools;
using doctest::Approx;

namespace {

using Function = std::function<double(const UnitPoint&)>;

std::vector<double> results_of(const std::vector<UnitPoint>& points, const Function& f) {
  std::vector<double> results;
  for (const UnitPoint& point : points) results.push_back(f(point));
  return results;
}

std::vector<MorrisEffect> morris(std::size_t factors, const Function& f, std::uint64_t seed = 1) {
  const auto points = morris_points(factors, 10, seed);
  return morris_effects(points, results_of(points, f));
}

SobolResult sobol(std::size_t factors, std::size_t n, const Function& f, std::uint64_t seed = 1) {
  const auto points = sobol_points(factors, n, seed);
  return sobol_parts(factors, results_of(points, f), seed);
}

std::uint32_t bits_of(double u) {
  return static_cast<std::uint32_t>(u * 4294967296.0);
}

}  // namespace

TEST_CASE("Sobol's first points are those of the literature, but for the shift") {
  // Of two dimensions: (0, 0), (1/2, 1/2), (3/4, 1/4), (1/4, 3/4); the third has (0, 1/2, 1/4,
  // 3/4). A digital shift is an exclusive or, so that the first point's takes it away.
  SobolSequence sequence(3, 7);
  const auto first = sequence.next();
  const double expected[3][3] = {{0.5, 0.5, 0.5}, {0.75, 0.25, 0.25}, {0.25, 0.75, 0.75}};
  for (const auto& row : expected) {
    const auto point = sequence.next();
    for (std::size_t d = 0; d < 3; ++d)
      CHECK((bits_of(point[d]) ^ bits_of(first[d])) == bits_of(row[d]));
  }
}

TEST_CASE("Sobol's points are even in every dimension, whatever the seed") {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    SobolSequence sequence(kMostSobolDimensions, seed);
    std::vector<std::set<std::uint32_t>> seen(kMostSobolDimensions);
    std::set<std::uint32_t> cells;  // of the first two: 16 x 16
    for (int i = 0; i < 256; ++i) {
      const auto point = sequence.next();
      for (std::size_t d = 0; d < point.size(); ++d) seen[d].insert(bits_of(point[d]) >> 24);
      cells.insert((bits_of(point[0]) >> 28) * 16 + (bits_of(point[1]) >> 28));
    }
    for (const auto& intervals : seen) CHECK(intervals.size() == 256);
    CHECK(cells.size() == 256);
  }
}

TEST_CASE("Morris' effects of a linear function are its slopes") {
  const auto effects = morris(3, [](const UnitPoint& u) { return 5 + 3 * u[0] - 2 * u[1]; });
  const double slopes[] = {3, -2, 0};
  for (std::size_t f = 0; f < 3; ++f) {
    CAPTURE(f);
    CHECK(effects[f].mean == Approx(slopes[f]));
    CHECK(effects[f].mean_size == Approx(std::abs(slopes[f])));
    CHECK(effects[f].deviation == Approx(0).epsilon(1e-9));
  }
}

TEST_CASE("each of Morris' paths moves every factor once, by two thirds of its range") {
  const auto points = morris_points(4, 6, 3);
  REQUIRE(points.size() == 6 * 5);
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (const double u : points[i]) CHECK((u >= 0 && u <= 1));
    if (i % 5 == 0) continue;
    int moved = 0;
    for (std::size_t f = 0; f < 4; ++f) {
      const double by = std::abs(points[i][f] - points[i - 1][f]);
      if (by == 0) continue;
      ++moved;
      CHECK(by == Approx(2.0 / 3));
    }
    CHECK(moved == 1);
  }
}

TEST_CASE(
    "a curve and a product have a deviation in Morris' effects, on opposite sides a mean of 0") {
  // u^2 between 0 and 2/3 has a slope of 2/3, between 1/3 and 1 one of 4/3.
  const auto curve = morris(1, [](const UnitPoint& u) { return u[0] * u[0]; });
  CHECK(curve[0].mean > 2.0 / 3);
  CHECK(curve[0].mean < 4.0 / 3);
  CHECK(curve[0].deviation > 0.1);
  // The sign of one factor's effect is that of the other less a half.
  const auto product = morris(2, [](const UnitPoint& u) { return (u[0] - 0.5) * (u[1] - 0.5); });
  CHECK(std::abs(product[0].mean) < product[0].mean_size);
}

TEST_CASE("parts of a linear function's variance are its squared slopes") {
  // Var(3 u0 + u1) = (9 + 1) / 12: 0.9 and 0.1, nothing interacts, the third has none.
  const auto result = sobol(3, 512, [](const UnitPoint& u) { return 3 * u[0] + u[1]; });
  CHECK(result.mean == Approx(2).epsilon(0.001));
  CHECK(result.variance == Approx(10.0 / 12).epsilon(0.01));
  const double parts[] = {0.9, 0.1, 0};
  for (std::size_t f = 0; f < 3; ++f) {
    CAPTURE(f);
    CHECK(result.parts[f].first.value == Approx(parts[f]).epsilon(0.01));
    CHECK(result.parts[f].total.value == Approx(parts[f]).epsilon(0.01));
    CHECK(result.parts[f].total.p10 <= result.parts[f].total.value);
    CHECK(result.parts[f].total.p90 >= result.parts[f].total.value);
  }
}

TEST_CASE("parts of Ishigami's function are those of its formula") {
  // f = sin x1 + 7 sin^2 x2 + 0.1 x3^4 sin x1 on (-pi, pi): Saltelli et al., 2000.
  const auto f = [](const UnitPoint& u) {
    const auto x = [&](std::size_t i) { return std::numbers::pi * (2 * u[i] - 1); };
    return std::sin(x(0)) + 7 * std::pow(std::sin(x(1)), 2) +
           0.1 * std::pow(x(2), 4) * std::sin(x(0));
  };
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    CAPTURE(seed);
    const auto result = sobol(3, 1024, f, seed);
    const double first[] = {0.3139, 0.4424, 0}, total[] = {0.5576, 0.4424, 0.2437};
    for (std::size_t i = 0; i < 3; ++i) {
      CAPTURE(i);
      CHECK(std::abs(result.parts[i].first.value - first[i]) < 0.03);
      CHECK(std::abs(result.parts[i].total.value - total[i]) < 0.03);
    }
  }
}

TEST_CASE("a product alone is all interaction, and a constant has no parts") {
  const auto product =
      sobol(2, 1024, [](const UnitPoint& u) { return (u[0] - 0.5) * (u[1] - 0.5); });
  for (const SobolParts& parts : product.parts) {
    CHECK(std::abs(parts.first.value) < 0.03);
    CHECK(parts.total.value == Approx(1).epsilon(0.02));
  }
  const auto constant = sobol(2, 16, [](const UnitPoint&) { return 4.0; });
  CHECK(constant.variance == 0);
  CHECK(constant.parts[0].first.value == 0);
  CHECK(constant.parts[1].total.p90 == 0);
}
