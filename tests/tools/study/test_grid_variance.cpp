#include "tools/study/grid_variance.h"

#include <doctest/doctest.h>

using namespace moesim::tools;
using doctest::Approx;

TEST_CASE("parts of a sum are what each makes, alone and with all") {
  // x + 2 y + 0 z of x, y in {0, 1}, z of three values, x the slowest: Var(x) = 1/4, Var(2 y) = 1.
  std::vector<double> results;
  for (const double x : {0, 1})
    for (const double y : {0, 1})
      for (int z = 0; z < 3; ++z) results.push_back(x + 2 * y);
  const GridVariance found = grid_variance(std::vector<std::size_t>{2, 2, 3}, results);
  CHECK(found.mean == Approx(1.5));
  CHECK(found.variance == Approx(1.25));
  CHECK(found.factors[0].alone == Approx(0.2));
  CHECK(found.factors[0].with_all == Approx(0.2));
  CHECK(found.factors[1].alone == Approx(0.8));
  CHECK(found.factors[1].with_all == Approx(0.8));
  CHECK(found.factors[2].alone == Approx(0));
  CHECK(found.factors[2].with_all == Approx(0));
  CHECK(found.factors[0].means == std::vector<double>{1, 2});
}

TEST_CASE("what two make together is in both with all, and in neither alone") {
  // x y: 0, 0, 0, 1. Var = 3/16; means by x are 0 and 1/2: Var 1/16, a third. Within x = 1 the
  // variance is 1/4, within x = 0 none: 1/8, two thirds.
  const GridVariance found =
      grid_variance(std::vector<std::size_t>{2, 2}, std::vector<double>{0, 0, 0, 1});
  for (const GridFactor& factor : found.factors) {
    CHECK(factor.alone == Approx(1.0 / 3));
    CHECK(factor.with_all == Approx(2.0 / 3));
  }
}

TEST_CASE("where nothing varies nobody makes it") {
  const GridVariance found =
      grid_variance(std::vector<std::size_t>{3}, std::vector<double>{5, 5, 5});
  CHECK(found.variance == 0);
  CHECK(found.factors[0].alone == 0);
  CHECK(found.factors[0].with_all == 0);
}
