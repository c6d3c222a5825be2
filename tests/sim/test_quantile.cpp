#include "sim/quantile.h"

#include <doctest/doctest.h>

#include <vector>

using moesim::sim::quantile_of_sorted;

TEST_CASE("a quantile lies between the two values around its place") {
  const std::vector<double> sample{1, 2, 4, 8};
  CHECK(quantile_of_sorted(sample, 0) == 1);
  CHECK(quantile_of_sorted(sample, 1) == 8);
  CHECK(quantile_of_sorted(sample, 0.5) == 3);      // place 1.5: between 2 and 4
  CHECK(quantile_of_sorted(sample, 0.75) == 5);     // place 2.25: a quarter from 4 to 8
  CHECK(quantile_of_sorted(sample, 1.0 / 3) == 2);  // place 1
  CHECK(quantile_of_sorted(std::vector<double>{7}, 0.99) == 7);
}
