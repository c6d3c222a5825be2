#include <doctest/doctest.h>

#include "workloads/placement/rebalance.h"

using namespace moesim::workloads;

TEST_CASE("the interval that pays weighs ageing against moving") {
  // Experts take 100 us of a 1000 us step; max/mean 1.1, 1.3, 1.5 after 1, 2, 3 windows of 10
  // steps, and the step was found at 1.1. Served steps: 1000, 1020, 1040.
  RebalanceQuestion question{.aged = {1.0, 1.1, 1.3, 1.5},
                             .made_on_next = 1.1,
                             .step_us = 1000,
                             .balanced_us = 100,
                             .steps_per_window = 10,
                             .move_us = 0};
  auto intervals = rebalance_intervals(question);
  REQUIRE(intervals.size() == 3);
  CHECK(intervals[0].step_us == doctest::Approx(1000));
  CHECK(intervals[1].step_us == doctest::Approx(1010));
  CHECK(intervals[2].step_us == doctest::Approx(1020));
  CHECK(best_interval(intervals) == 1);  // moving is free
  // A move of 300 us: + 30, + 15, + 10: 1030, 1025, 1030.
  question.move_us = 300;
  CHECK(best_interval(rebalance_intervals(question)) == 2);
  // A dear one is put off as long as possible.
  question.move_us = 30'000;
  CHECK(best_interval(rebalance_intervals(question)) == 3);
  // Nothing ages and nothing moves: seldom is enough.
  CHECK(best_interval(rebalance_intervals({.aged = {1, 1, 1, 1}, .step_us = 5})) == 3);
  CHECK(best_interval({}) == 0);
}

TEST_CASE("moving takes as long as the busiest port needs") {
  // 10 experts of 45 MB over NVLink at 450 GB/s: 1 ms; 3 of 50 MB over 50 GB/s: 3 ms.
  moesim::hardware::Cluster cluster;
  cluster.gpus_per_node = 8;
  cluster.scale_up.bandwidth = moesim::sim::Bandwidth(450e9);
  cluster.scale_out.bandwidth = moesim::sim::Bandwidth(50e9);
  cluster.scale_out.nics_per_node = 8;
  CHECK(move_time_us({.total = 10, .busiest_nvlink = 10}, 45e6, cluster) == doctest::Approx(1000));
  CHECK(move_time_us({.total = 13, .busiest_network = 3, .busiest_nvlink = 10}, 50e6, cluster) ==
        doctest::Approx(3000));
  CHECK(move_time_us({}, 50e6, cluster) == 0);
}
