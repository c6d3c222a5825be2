#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "hardware/kernels/moe.h"
#include "hardware/kernels/residual.h"
#include "hardware/kernels/residual_ceilings.h"
#include "hardware/kernels/residual_lookup.h"
#include "sim/error.h"
#include "sim/random.h"

using namespace moesim::hardware;

TEST_CASE("a residual is linear in the logarithm between knots and constant beyond them") {
  const ResidualTable table{.axes = {{"m", {1, 16}}}, .values = {0.0, 0.4}};
  // 4 is half-way from 1 to 16 in the logarithm.
  CHECK(residual_at(table, std::array{4.0}) == doctest::Approx(0.2));
  CHECK(residual_at(table, std::array{0.1}) == doctest::Approx(0.0));
  CHECK(residual_at(table, std::array{1000.0}) == doctest::Approx(0.4));
}

TEST_CASE("an axis with a zero is linear, and the last axis is the fastest") {
  const ResidualTable table{.axes = {{"m", {1, 4}}, {"tail", {0, 1}}}, .values = {1, 2, 3, 4}};
  CHECK(residual_at(table, std::array{1.0, 0.25}) == doctest::Approx(1.25));
  CHECK(residual_at(table, std::array{4.0, 0.0}) == doctest::Approx(3));
  // The middle of the square: (1 + 2 + 3 + 4) / 4.
  CHECK(residual_at(table, std::array{2.0, 0.5}) == doctest::Approx(2.5));
}

TEST_CASE("the corners' weights add up to one") {
  const ResidualTable table{.axes = {{"a", {1, 2, 8}}, {"b", {1, 10}}, {"c", {0, 0.4, 1}}},
                            .values = {}};
  Corners corners;
  find_corners(table, std::array{3.0, 2.0, 0.7}, corners);
  double sum = 0;
  for (const double w : corners.weight) sum += w;
  CHECK(corners.index.size() == 8);
  CHECK(sum == doctest::Approx(1));
}

TEST_CASE("no table is no residual") {
  CHECK(residual_at({}, {}) == 0);
  CHECK(ResidualLookup({}).at({}) == 0);
}

TEST_CASE("a lookup gives the residual to the bit, on knots, between and beyond them") {
  // An axis of each kind: of one knot, of logarithms, of a zero; two that are alike.
  ResidualTable table{
      .axes = {{"a", {1, 4, 16, 64}}, {"b", {5}}, {"c", {0, 0.3, 1}}, {"d", {1, 4, 16, 64}}},
      .values = {}};
  moesim::sim::Random random(1, "residual");
  for (int i = 0; i < 4 * 3 * 4; ++i) table.values.push_back(random.uniform() - 0.5);
  const ResidualLookup lookup(table);
  const std::array places{0.5, 1.0, 1.5, 4.0, 15.9, 16.0, 63.0, 64.0, 100.0};
  const std::array parts{0.0, 0.1, 0.3, 0.9, 1.0, 2.0};
  for (const double a : places) {
    for (const double c : parts) {
      for (const double d : places) {
        CAPTURE(a);
        CAPTURE(c);
        CAPTURE(d);
        const std::array point{a, 7.0, c, d};
        CHECK(lookup.at(point) == residual_at(table, point));
      }
    }
  }
}

TEST_CASE("a slice is the table where one feature is known") {
  // Values 0 to 11 over 2 x 3 x 2 knots. Half-way in the logarithm between 1 and 4 of the middle
  // axis: the means of its neighbours.
  ResidualTable table{.axes = {{"a", {1, 2}}, {"b", {1, 4, 16}}, {"c", {0, 1}}}, .values = {}};
  for (int i = 0; i < 12; ++i) table.values.push_back(i);
  const ResidualTable between = slice(table, 1, 2);
  REQUIRE(between.axes.size() == 2);
  CHECK(between.axes[0].first == "a");
  CHECK(between.axes[1].first == "c");
  const std::array expected{1.0, 2.0, 7.0, 8.0};
  REQUIRE(between.values.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(between.values[i] == doctest::Approx(expected[i]));
  // On a knot, and beyond the last, it is what is there.
  CHECK(slice(table, 1, 4).values == std::vector<double>{2, 3, 8, 9});
  CHECK(slice(table, 1, 99).values == std::vector<double>{4, 5, 10, 11});
  CHECK(slice(table, 0, 1).values == std::vector<double>{0, 1, 2, 3, 4, 5});
  CHECK(slice(table, 2, 0.25).values[0] == doctest::Approx(0.25));
  CHECK(slice({}, 2, 1).values.empty());

  moesim::sim::Random random(1, "slices");
  for (double& value : table.values) value = random.uniform() - 0.5;
  for (int i = 0; i < 100; ++i) {
    const std::array point{3 * random.uniform(), 20 * random.uniform(), 2 * random.uniform() - 0.5};
    const std::array rest{point[0], point[2]};
    CHECK(residual_at(slice(table, 1, point[1]), rest) ==
          doctest::Approx(residual_at(table, point)));
  }
}

TEST_CASE("a ceiling is the most at a knot with no more on the other axes, and no more than that") {
  // 2 x 2 x 2 knots, the last axis the fastest; all 0 but what is written.
  enum : std::size_t { kRows, kActive, kTokens };
  ResidualTable table{.axes = {{"rows_per_group", {1, 4}}, {"active", {1, 8}}, {"tokens", {1, 32}}},
                      .values = std::vector<double>(8)};
  const auto at = [&](std::size_t rows, std::size_t active, std::size_t tokens) -> double& {
    return table.values[4 * rows + 2 * active + tokens];
  };
  at(0, 1, 0) = 0.3;  // few rows in many groups, few tokens
  at(0, 0, 1) = 0.2;  // few rows in one group, many tokens
  at(1, 1, 1) = 0.9;
  const ResidualCeilings ceilings(table);
  const auto most = [&](std::size_t axis, std::size_t knot, std::array<double, 3> features) {
    return ceilings.at(axis, knot, ceilings.place(features));
  };
  CHECK(most(kRows, 0, {4, 8, 32}) == 0.3);
  // With one group there are not many; beyond the knots it is as at the last.
  CHECK(most(kRows, 0, {4, 1, 32}) == 0.2);
  CHECK(most(kRows, 0, {4, 1, 1}) == 0);
  CHECK(most(kRows, 0, {9, 99, 99}) == 0.3);
  CHECK(most(kTokens, 0, {4, 8, 32}) == 0.3);
  CHECK(most(kActive, 1, {4, 8, 32}) == 0.9);
  CHECK(most(kActive, 1, {1, 8, 32}) == 0.3);

  // Never below the table itself.
  moesim::sim::Random random(1, "ceilings");
  for (double& value : table.values) value = random.uniform() - 0.5;
  const ResidualCeilings of(table);
  for (int i = 0; i < 1000; ++i) {
    const std::array x{1 + 4 * random.uniform(), 1 + 9 * random.uniform(),
                       1 + 40 * random.uniform()};
    for (const std::size_t axis : {kRows, kActive, kTokens}) {
      std::array<double, 3> less = x;
      for (double& feature : less) feature = 1 + (feature - 1) * random.uniform();
      const std::size_t knot = random.below(2);
      less[axis] = table.axes[axis].second[knot];
      CHECK(residual_at(table, less) <= of.at(axis, knot, of.place(x)) + 1e-12);
    }
  }
  CHECK(ResidualCeilings(ResidualTable{}).place(std::array{1.0, 1.0}).index == 0);
}

TEST_CASE("a fit whose table has other axes than its model is refused") {
  FittedModel wrong =
      *find_fitted(load_device("configs/devices/h100.yaml"), "moe", "trtllm", "bf16");
  wrong.residual = {.axes = {{"m", {1, 4}}}, .values = {1, 2}};
  CHECK_THROWS_AS(Fitted<MoeModel>{wrong}, moesim::sim::ConfigError);
}
