#include "workloads/report/report.h"

#include <doctest/doctest.h>

using namespace moesim::workloads;

TEST_CASE("quantiles lie between the order statistics") {
  // Of 1, 2, 3, 4: the median lies halfway from 2 to 3, p90 at 0.9 x 3 = 2.7 of the way: 3.7.
  const Distribution d = distribution_of({4, 1, 3, 2});
  CHECK(d.mean == 2.5);
  CHECK(d.p50 == 2.5);
  CHECK(d.p90 == doctest::Approx(3.7));
  CHECK(d.p99 == doctest::Approx(3.97));
}

TEST_CASE("of one step all quantiles are its time") {
  const Distribution d = distribution_of({7});
  CHECK(d.mean == 7);
  CHECK(d.p99 == 7);
}

TEST_CASE("where values count differently, a quantile is the least that so much is not above") {
  // 10 with 15/16 of the weight, 26 with 1/16: mean 11.
  const Distribution d = distribution_of({10, 26}, {15.0 / 16, 1.0 / 16});
  CHECK(d.mean == doctest::Approx(11));
  CHECK(d.p50 == 10);
  CHECK(d.p90 == 10);
  CHECK(d.p99 == 26);
}
