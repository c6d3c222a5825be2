#include "tools/study/plan/availability.h"

#include <doctest/doctest.h>

using namespace moesim::tools;
using doctest::Approx;

TEST_CASE("how much of the time enough engines are up, on paper") {
  // Two GPUs an engine, an hour to restart of 20 GPU-hours to a stop: each is down a tenth of it.
  const Reliability often{.gpu_hours = 20, .restart_h = 1};
  // Three engines of 5 for 10: two must be up. 0.9^3 + 3 x 0.1 x 0.9^2 = 0.972.
  const Availability two = availability_of(3, 2, 5, 10, often);
  CHECK(two.enough == Approx(0.972));
  // 10 with two or three up, 5 with one (3 x 0.9 x 0.01 = 0.027): 9.72 + 0.135.
  CHECK(two.carried == Approx(9.855));
  // All three are needed: 0.729. None is spare.
  CHECK(availability_of(3, 2, 5, 15, often).enough == Approx(0.729));
  // Exactly what they carry is enough.
  CHECK(availability_of(3, 2, 0.1, 0.3, often).enough == Approx(0.729));
  // More than they carry is never enough.
  CHECK(availability_of(3, 2, 5, 16, often).enough == 0);
}

TEST_CASE("what never stops is always up, and what is never back never is") {
  CHECK(availability_of(4, 8, 5, 20, {.gpu_hours = 1e30, .restart_h = 1}).enough == Approx(1));
  const Availability none = availability_of(4, 8, 5, 20, {.gpu_hours = 1, .restart_h = 1});
  CHECK(none.enough == 0);
  CHECK(none.carried == 0);
  // Eight H100 as they stop at Meta's: 8 / 6 / 50,700 of the time down.
  CHECK(availability_of(1, 8, 5, 5, {}).enough == Approx(1 - 8.0 / 6 / 50700));
}
