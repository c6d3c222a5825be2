#include <doctest/doctest.h>

#include "hardware/collectives/forms/spread.h"

using namespace moesim::hardware;

TEST_CASE("one choice of two groups on two bins lands in one bin") {
  CHECK(expected_bins(2, 2, 1) == doctest::Approx(1));
}

TEST_CASE("two choices of four groups on two bins land in one bin once in three") {
  // C(4, 2) = 6 pairs, 2 of them within one bin: (2 x 1 + 4 x 2) / 6 = 5 / 3.
  CHECK(expected_bins(2, 4, 2) == doctest::Approx(5.0 / 3));
}

TEST_CASE("eight of 256 groups on eight ranks reach 5.3 of them") {
  // 8 (1 - C(224, 8) / C(256, 8)): 1 - 0.3374 = 0.6626 by the product of (224 - i) / (256 - i).
  double miss = 1;
  for (int i = 0; i < 8; ++i) miss *= (224.0 - i) / (256 - i);
  const Spread spread = spread_of(1, 256, 8);
  CHECK(spread.ranks == doctest::Approx(8 * (1 - miss)));
  CHECK(spread.remote_nodes == 0);
}

TEST_CASE("rows reach four nodes at most, wherever more there are") {
  CHECK(spread_of(8, 256, 8).remote_nodes <= 4);
  CHECK(spread_of(8, 256, 8).remote_nodes > spread_of(2, 256, 8).remote_nodes);
}
