#include "workloads/training/goodput.h"

#include <doctest/doctest.h>

#include <cmath>

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
  CHECK(found.higher == 0);
  CHECK(found.ends);
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

TEST_CASE("an interval that is long beside the time between failures is Daly's") {
  // M = 1,000 s, C = 50 s: Young has sqrt(2 x 50 x 1,000) = 316.23 s, a third of M. Daly, with
  // C / 2M = 0.025: 316.228 (1 + sqrt(0.025) / 3 + 0.025 / 9) - 50
  //                 = 316.228 x 1.055482 - 50 = 283.773.
  // Of the time 283.773 / (1,000 (e^0.333773 - 1)) = 283.773 / 396.226 = 0.71619 is progress.
  const Goodput best = goodput_of({.blocks_s = 50, .gpu_mtbf_s = 4000}, 4, 1);
  CHECK(best.higher == 1);
  CHECK(best.checkpoint_every_s == doctest::Approx(283.773).epsilon(1e-6));
  CHECK(best.goodput == doctest::Approx(0.71619).epsilon(1e-5));
  CHECK(best.lost_share == 1 - best.goodput);
  // R = 100 s: e^-0.1 of that, 0.64803; the interval has no R in it.
  const RunPlan slower{.blocks_s = 50, .gpu_mtbf_s = 1000, .detect_s = 40, .restart_s = 60};
  CHECK(goodput_of(slower, 1, 1).checkpoint_every_s == doctest::Approx(283.773).epsilon(1e-6));
  CHECK(goodput_of(slower, 1, 1).goodput == doctest::Approx(0.64803).epsilon(1e-5));
  // C >= 2M: every M; 1 / (e^3.5 - 1) = 1 / 32.1155 is progress.
  const Goodput rare = goodput_of({.blocks_s = 2500, .gpu_mtbf_s = 1000}, 1, 1);
  CHECK(rare.checkpoint_every_s == 1000);
  CHECK(rare.goodput == doctest::Approx(1 / 32.1155).epsilon(1e-5));
}

TEST_CASE("Daly's interval is better than those around it, and than Young's") {
  const auto at = [](double every) {
    return goodput_of({.every_s = every, .blocks_s = 50, .gpu_mtbf_s = 1000, .restart_s = 100}, 1,
                      1)
        .goodput;
  };
  CHECK(at(283.773) > at(316.228));
  CHECK(at(283.773) > at(0.95 * 283.773));
  CHECK(at(283.773) > at(1.05 * 283.773));
}

TEST_CASE("between the two orders a run has some of both, and nothing jumps") {
  // M = 1,000 s, every 200 s, C = 10 s, R = 25 s: (200 + 25) / 1,000 = 0.225 is half way.
  // First: 1 - 10 / 200 - (100 + 25) / 1,000 = 0.825. Higher:
  // 200 / (1,000 e^0.025 (e^0.21 - 1)) = 0.2 / (1.0253151 x 0.2336781) = 0.834747.
  const RunPlan plan{.every_s = 200, .blocks_s = 10, .gpu_mtbf_s = 1000, .restart_s = 25};
  CHECK(goodput_of(plan, 1, 1).higher == doctest::Approx(0.5));
  CHECK(goodput_of(plan, 1, 1).goodput == doctest::Approx((0.825 + 0.834747) / 2).epsilon(1e-6));
  // More GPUs, which fail more often, never have more progress, nor a job that blocks for longer.
  for (const double again : {0.0, 60.0, 900.0}) {
    for (const double blocks : {1.0, 30.0, 600.0}) {
      double before = 1;
      for (double hours = 1e6; hours > 0.05; hours /= 1.01) {
        const RunPlan run{.blocks_s = blocks, .gpu_mtbf_s = 3600 * hours, .restart_s = again};
        const double now = goodput_of(run, 8, 1).goodput;
        CHECK(now <= before);
        CHECK(before - now < 0.02);
        CHECK(goodput_of(
                  {.blocks_s = 1.05 * blocks, .gpu_mtbf_s = 3600 * hours, .restart_s = again}, 8, 1)
                  .goodput <= now);
        before = now;
      }
    }
  }
}

TEST_CASE("a run whose GPUs fail faster than it restarts never ends, and takes no number of days") {
  // 64 GPUs of an hour each: M = 56.25 s, R = 900 s: e^-16 of the time at most is progress.
  const RunPlan plan{
      .tokens = 1e12, .blocks_s = 30, .gpu_mtbf_s = 3600, .detect_s = 300, .restart_s = 600};
  const Goodput found = goodput_of(plan, 64, 1.5e5);
  CHECK_FALSE(found.ends);
  CHECK(found.goodput < std::exp(-16));
  CHECK(found.goodput > 0);
  CHECK(found.days == 0);
  CHECK(found.gpu_hours == 0);
  // Rarer failures let it end.
  RunPlan rarer = plan;
  rarer.gpu_mtbf_s = 3600.0 * 1000;
  CHECK(goodput_of(rarer, 64, 1.5e5).ends);
  CHECK(goodput_of(rarer, 64, 1.5e5).days > 0);
}

TEST_CASE("a run whose routing drifts takes the mean of its parts' steps, by their length") {
  // 0.2 x 10 + 0.5 x 20 + 0.3 x 40 = 24.
  const RunPlan plan{.routing = {{0, "a.h5"}, {0.2, "b.h5"}, {0.7, "c.h5"}}};
  CHECK(mean_step_us(plan, {10, 20, 40}) == doctest::Approx(24));
  CHECK(mean_step_us({.routing = {{0, "a.h5"}}}, {7}) == doctest::Approx(7));
}
