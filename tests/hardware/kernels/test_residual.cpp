#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "hardware/kernels/moe.h"
#include "hardware/kernels/residual.h"
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

TEST_CASE("a ceiling is the most at a knot with no more on the other axes, and no more than that") {
  // 2 x 2 x 2 x 2 knots, the last axis the fastest; all 0 but what is written.
  ResidualTable table{.axes = {{"rows_per_group", {1, 4}},
                               {"active", {1, 8}},
                               {"inter", {128, 1024}},
                               {"tokens", {1, 32}}},
                      .values = std::vector<double>(16)};
  const auto at = [&](std::size_t rows, std::size_t active, std::size_t inter,
                      std::size_t tokens) -> double& {
    return table.values[8 * rows + 4 * active + 2 * inter + tokens];
  };
  at(0, 1, 0, 0) = 0.3;  // few rows in many groups, few tokens, narrow
  at(0, 0, 1, 1) = 0.2;  // few rows in one group, many tokens, wide
  at(1, 1, 1, 1) = 0.9;
  const MoeCeilings ceilings(table);
  const auto most = [&](std::size_t axis, std::size_t knot, std::array<double, 4> features) {
    return ceilings.at(axis, knot, ceilings.place(features));
  };
  // Few rows, of a place with many of all: 0.3 where it is narrow, 0.2 where it is wide.
  CHECK(most(MoeModel::kRowsPerGroup, 0, {4, 8, 128, 32}) == 0.3);
  CHECK(most(MoeModel::kRowsPerGroup, 0, {4, 8, 1024, 32}) == 0.2);
  CHECK(most(MoeModel::kRowsPerGroup, 0, {4, 8, 500, 32}) == 0.3);  // between both
  // With one group there are not many; beyond the knots it is as at the last.
  CHECK(most(MoeModel::kRowsPerGroup, 0, {4, 1, 128, 32}) == 0);
  CHECK(most(MoeModel::kRowsPerGroup, 0, {9, 99, 128, 99}) == 0.3);
  CHECK(most(MoeModel::kTokens, 0, {4, 8, 128, 32}) == 0.3);
  CHECK(most(MoeModel::kTokens, 0, {4, 8, 1024, 32}) == 0);
  CHECK(most(MoeModel::kActive, 1, {4, 8, 1024, 32}) == 0.9);
  CHECK(most(MoeModel::kActive, 1, {1, 8, 1024, 32}) == 0);

  // Never below the table itself.
  moesim::sim::Random random(1, "ceilings");
  for (double& value : table.values) value = random.uniform() - 0.5;
  const MoeCeilings of(table);
  for (int i = 0; i < 1000; ++i) {
    const std::array<double, 4> x{1 + 4 * random.uniform(), 1 + 9 * random.uniform(),
                                  100 + 1000 * random.uniform(), 1 + 40 * random.uniform()};
    for (const std::size_t axis : {MoeModel::kRowsPerGroup, MoeModel::kActive, MoeModel::kTokens}) {
      std::array<double, 4> less = x;
      for (const std::size_t other :
           {MoeModel::kRowsPerGroup, MoeModel::kActive, MoeModel::kTokens})
        less[other] = 1 + (x[other] - 1) * random.uniform();
      const std::size_t knot = random.below(2);
      less[axis] = table.axes[axis].second[knot];
      CHECK(residual_at(table, less) <= of.at(axis, knot, of.place(x)) + 1e-12);
    }
  }
  CHECK(MoeCeilings(ResidualTable{}).place({1, 1, 1, 1}).above[0] == 0);
  // A table of other axes is refused where it is asked, and has none.
  const ResidualTable other{.axes = {{"m", {1, 4}}}, .values = {1, 2}};
  CHECK(MoeCeilings(other).place({9, 9, 9, 9}).above[0] == 0);
  FittedModel wrong =
      *find_fitted(load_device("configs/devices/h100.yaml"), "moe", "trtllm", "bf16");
  wrong.residual = other;
  CHECK_THROWS_AS(Fitted<MoeModel>{wrong}, moesim::sim::ConfigError);
}
