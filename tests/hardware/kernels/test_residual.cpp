#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "hardware/kernels/residual.h"
#include "hardware/kernels/residual_lookup.h"
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
