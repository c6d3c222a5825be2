#include "workloads/training/goodput.h"

#include <doctest/doctest.h>

using namespace moesim::workloads;

TEST_CASE("a run on 16,384 GPUs with 50,700 hours each loses a tenth") {
  // Llama 3: M = 50,700 / 16,384 = 3.0945 h = 11,140 s. C 30 s, R 300 s:
  // tau = sqrt(2 x 30 x 11,440) = 828.5 s; lost = 30 / 828.5 + (414.3 + 300) / 11,140
  //     = 0.0362 + 0.0641 = 0.1003.
  const RunPlan plan{
      .blocks_s = 30, .gpu_mtbf_s = 50700.0 * 3600, .detect_s = 100, .restart_s = 200};
  const Goodput found = goodput_of(plan, 16384, 1e6);
  CHECK(found.mtbf_h == doctest::Approx(3.0945).epsilon(1e-4));
  CHECK(found.checkpoint_every_s == doctest::Approx(828.5).epsilon(1e-4));
  CHECK(found.lost_share == doctest::Approx(0.1003).epsilon(1e-3));
  CHECK(found.goodput == 1 - found.lost_share);
  CHECK_FALSE(found.rough);
  CHECK(found.days == 0);
}

TEST_CASE("a run takes its tokens over the rate that is progress") {
  // No failures; a checkpoint of 10 s every 1,000 s loses 1 %. 8.64e9 tokens at 1e5/s are 86,400 s,
  // 1 / 0.99 days on 8 GPUs.
  const RunPlan plan{.tokens = 8.64e9, .every_s = 1000, .blocks_s = 10};
  const Goodput found = goodput_of(plan, 8, 1e5);
  CHECK(found.lost_share == doctest::Approx(0.01));
  CHECK(found.days == doctest::Approx(1 / 0.99));
  CHECK(found.gpu_hours == doctest::Approx(24 * 8 / 0.99));
}

TEST_CASE("an interval that is long beside the time between failures is told to be rough") {
  // M = 1,000 s, every 201 s > 1,000 / 5.
  const auto at = [](double every) {
    return goodput_of({.every_s = every, .gpu_mtbf_s = 1000}, 1, 1).rough;
  };
  CHECK_FALSE(at(200));
  CHECK(at(201));
}

TEST_CASE("a run whose routing drifts takes the mean of its parts' steps, by their length") {
  // 0.2 x 10 + 0.5 x 20 + 0.3 x 40 = 24.
  const RunPlan plan{.routing = {{0, "a.h5"}, {0.2, "b.h5"}, {0.7, "c.h5"}}};
  CHECK(mean_step_us(plan, {10, 20, 40}) == doctest::Approx(24));
  CHECK(mean_step_us({.routing = {{0, "a.h5"}}}, {7}) == doctest::Approx(7));
}
