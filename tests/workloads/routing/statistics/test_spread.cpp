#include "workloads/routing/statistics/spread.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

using moesim::workloads::Spread;
using moesim::workloads::spread_of;
using Load = std::array<std::uint64_t, 4>;

TEST_CASE("an even load has max over mean 1 and entropy 1") {
  const Spread spread = spread_of(Load{5, 5, 5, 5});
  CHECK(spread.max_over_mean == 1);
  CHECK(spread.normalised_entropy == doctest::Approx(1));
  CHECK(spread.zeros == 0);
}

TEST_CASE("a load on one place of four has max over mean 4 and entropy 0") {
  const Spread spread = spread_of(Load{0, 8, 0, 0});
  CHECK(spread.max_over_mean == 4);
  CHECK(spread.normalised_entropy == 0);
  CHECK(spread.zeros == 3);
}

TEST_CASE("half on each of two places of four has entropy log 2 / log 4") {
  CHECK(spread_of(Load{0, 3, 3, 0}).normalised_entropy == doctest::Approx(0.5));
}

TEST_CASE("no load is even") {
  const Spread spread = spread_of(Load{});
  CHECK(spread.max_over_mean == 1);
  CHECK(spread.zeros == 4);
}
