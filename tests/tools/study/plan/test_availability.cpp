#include "tools/study/plan/availability.h"

#include <doctest/doctest.h>

#include "tests/support/temporary_folder.h"

using namespace moesim;
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

TEST_CASE("what is carried with no, one and two GPUs lost, on paper") {
  // Two engines of two GPUs, each lost a tenth of the time: of four GPUs none, one, two are lost
  // with 0.9^4 = 0.6561, 4 x 0.1 x 0.9^3 = 0.2916, 6 x 0.01 x 0.81 = 0.0486.
  const Reliability often{.gpu_hours = 10, .restart_h = 1};
  const Losses stops = losses_of(2, 2, 5, {}, 5, often);
  CHECK(stops.probability[0] == Approx(0.6561));
  CHECK(stops.probability[1] == Approx(0.2916));
  CHECK(stops.probability[2] == Approx(0.0486));
  // One of them stops; two stop it alone where both are of one engine: 1 of 3 ways.
  CHECK(stops.capacity[0] == 10);
  CHECK(stops.capacity[1] == Approx(5));
  CHECK(stops.capacity[2] == Approx(5.0 / 3));
  CHECK(stops.goodput == Approx(0.6561 * 10 + 0.2916 * 5 + 0.0486 * 5 / 3));
  CHECK(stops.available == Approx(0.6561 + 0.2916 + 0.0486 / 3));
  CHECK(losses_of(2, 2, 5, {}, 10, often).available == Approx(0.6561));
  CHECK(losses_of(2, 2, 5, {}, 10.1, often).available == 0);
  // Back at once: none is ever lost, and what would be carried is said all the same.
  const Losses never = losses_of(2, 2, 5, {}, 5, {.gpu_hours = 10, .restart_h = 0});
  CHECK(never.probability[1] == 0);
  CHECK(never.capacity == std::array<double, 3>{10, 5, 0});
  CHECK(never.goodput == 10);
}

TEST_CASE("an elastic engine goes on without a GPU once it has noticed, on paper") {
  // A quarter of the time that a GPU is lost its engine stops still; then it carries 4 of 5, and 2
  // with two lost.
  const Reliability often{.gpu_hours = 10, .restart_h = 1, .recovery_h = 0.25};
  const Losses elastic = losses_of(2, 2, 5, {.one = 4, .two = 2}, 9, often);
  CHECK(elastic.capacity[1] == Approx(5 + 0.75 * 4));
  // Of one engine (a third): 5, and 2 where both have been noticed (9/16). Of two: each 4 with 3/4.
  CHECK(elastic.capacity[2] == Approx((5 + 9.0 / 16 * 2) / 3 + 2 * (2 * 0.75 * 4) / 3));
  // 9 are carried by all, and with one lost once that is noticed.
  CHECK(elastic.available == Approx(0.6561 + 0.2916 * 0.75));
  // One engine alone: two lost are both of it.
  const Losses alone = losses_of(1, 2, 5, {.one = 4, .two = 2}, 1, often);
  CHECK(alone.probability[2] == Approx(0.01));
  CHECK(alone.capacity[2] == Approx(9.0 / 16 * 2));
  // A recovery as long as a restart is none.
  CHECK(losses_of(1, 2, 5, {.one = 4}, 1, {.gpu_hours = 10, .restart_h = 1, .recovery_h = 1})
            .capacity[1] == 0);
  // A GPU alone has no second.
  CHECK(losses_of(1, 1, 5, {}, 1, often).probability[2] == 0);
}

TEST_CASE("what never stops is always up, and what is never back never is") {
  CHECK(availability_of(4, 8, 5, 20, {.gpu_hours = 1e30, .restart_h = 1}).enough == Approx(1));
  const Availability none = availability_of(4, 8, 5, 20, {.gpu_hours = 1, .restart_h = 1});
  CHECK(none.enough == 0);
  CHECK(none.carried == 0);
  // Eight H100 as they stop at Meta's: 8 / 6 / 50,700 of the time down.
  CHECK(availability_of(1, 8, 5, 5, {}).enough == Approx(1 - 8.0 / 6 / 50700));
}

TEST_CASE(
    "what a plan says of reliability comes before its cluster's file, and that before Llama 3") {
  const tests::TemporaryFolder folder;
  const auto file = folder.file(
      "mine.yaml", "nodes: 1\nreliability: {gpu_hours: 900, restart: 36 s, source: our log}\n");
  const Reliability stated = hardware::reliability_of(file, {});
  CHECK(stated.gpu_hours == 900);
  CHECK(stated.restart_h == doctest::Approx(0.01));
  CHECK(stated.recovery_h == Reliability{}.recovery_h);
  CHECK(stated.source ==
        std::string("cluster mine: our log; recovery of ") + hardware::kReliabilitySource);
  CHECK(hardware::reliability_of(file, {{.path = "reliability.gpu_hours", .value = "800"}})
            .gpu_hours == 800);
  const Reliability plan =
      hardware::with(stated, {.restart_h = 1.0, .recovery_h = 0.5}, "the plan");
  CHECK(plan.gpu_hours == 900);
  CHECK(plan.restart_h == 1);
  CHECK(plan.source.starts_with("the plan; gpu_hours of cluster mine: our log"));
  CHECK(hardware::with(stated, {}, "the plan").source == stated.source);
  CHECK(hardware::reliability_of(folder.file("none.yaml", "nodes: 1\n"), {}).source ==
        hardware::kReliabilitySource);
}
