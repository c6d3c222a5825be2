#include <doctest/doctest.h>

#include <array>

#include "validation/calibrate/nelder_mead.h"
#include "validation/calibrate/residual_fit.h"
#include "validation/statistics.h"

using namespace moesim::validation;

TEST_CASE("a quantile lies between its neighbours in proportion") {
  CHECK(quantile({4, 1, 3, 2}, 0) == 1);
  CHECK(quantile({4, 1, 3, 2}, 1) == 4);
  CHECK(quantile({4, 1, 3, 2}, 0.5) == 2.5);
  CHECK(quantile({7}, 0.9) == 7);
}

TEST_CASE("errors are of predicted against measured, in percent") {
  // 110 for 100: 10 %; 80 for 100: -20 %. The second lies outside its interval.
  const std::array<Comparison, 2> two{{{.measured = 100, .predicted = 110, .low = 90, .high = 120},
                                       {.measured = 100, .predicted = 80, .low = 70, .high = 95}}};
  const ErrorSummary s = summarise(two);
  CHECK(s.n == 2);
  CHECK(s.mape == doctest::Approx(15));
  CHECK(s.median == doctest::Approx(15));
  CHECK(s.p90 == doctest::Approx(19));
  CHECK(s.bias == doctest::Approx(-5));
  CHECK(s.coverage90 == 50);
}

TEST_CASE("the simplex finds the floor of Rosenbrock's valley") {
  const Objective valley = [](std::span<const double> x) {
    return 100 * (x[1] - x[0] * x[0]) * (x[1] - x[0] * x[0]) + (1 - x[0]) * (1 - x[0]);
  };
  const Minimum found = minimise(valley, {-1.2, 1}, {.evaluations = 4000, .tolerance = 1e-14});
  CHECK(found.x[0] == doctest::Approx(1).epsilon(1e-3));
  CHECK(found.x[1] == doctest::Approx(1).epsilon(1e-3));
  CHECK(found.evaluations <= 4000);
}

TEST_CASE("a residual table takes what many points say and leaves empty knots at zero") {
  const moesim::hardware::ResidualTable axes{.axes = {{"m", {1, 4, 16}}}, .values = {}};
  std::vector<ResidualSample> samples;
  for (int i = 0; i < 100; ++i) samples.push_back({{1.0}, 0.2});
  const auto table = fit_residual(axes, samples, 0.5, 1.0);
  CHECK(table.values[0] == doctest::Approx(0.2).epsilon(0.02));
  CHECK(table.values[1] == 0);
  CHECK(table.values[2] == 0);
}
