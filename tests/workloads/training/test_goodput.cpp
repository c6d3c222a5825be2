#include "workloads/training/goodput.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace moesim::workloads;

TEST_CASE("a run on 16,384 GPUs with 50,700 hours each loses a tenth") {
  // Llama 3: M = 50,700 / 16,384 = 3.0945 h = 11,140.1 s. C 30 s, R 300 s, C / 2M = 0.0013465:
  // T = sqrt(2 x 30 x 11,140.1) (1 + 0.036695 / 3 + 0.0013465 / 9) = 817.56 x 1.012381 = 827.68 s;
  // T / M = 0.074297, R / M = 0.026930.
  // (827.68 - 30) / 11,140.1 / (1.027296 x 0.077127) = 0.071605 / 0.079232 = 0.90373.
  const RunPlan plan{
      .blocks_s = 30, .gpu_mtbf_s = 50700.0 * 3600, .detect_s = 100, .restart_s = 200};
  const Goodput found = goodput_of(plan, 16384, 1e6);
  CHECK(found.mtbf_h == doctest::Approx(3.0945).epsilon(1e-4));
  CHECK(found.checkpoint_every_s == doctest::Approx(827.68).epsilon(1e-5));
  CHECK(found.goodput == doctest::Approx(0.90373).epsilon(1e-4));
  CHECK(found.lost_share == 1 - found.goodput);
  CHECK(found.ends);
  CHECK(found.days == 0);
}

TEST_CASE("an interval has the checkpoint in it, with failures as without") {
  // Every 120 s, of which 60 are the checkpoint; R = 900 s, M = 2,250 s.
  // Without failures 60 / 120. With them 60 / 2,250 = 0.0266667 of
  // e^0.4 (e^0.0533333 - 1) = 1.4918247 x 0.0547812 = 0.0817239: 0.326302.
  RunPlan plan{.every_s = 120, .blocks_s = 60};
  CHECK(goodput_of(plan, 1, 1).goodput == 0.5);
  plan.gpu_mtbf_s = 2250, plan.detect_s = 300, plan.restart_s = 600;
  CHECK(goodput_of(plan, 1, 1).goodput == doctest::Approx(0.326302).epsilon(1e-5));
  CHECK(goodput_of(plan, 1, 1).checkpoint_every_s == 120);
  // Failures that hardly come leave what there is without them.
  plan.gpu_mtbf_s = 1e15;
  CHECK(goodput_of(plan, 1, 1).goodput == doctest::Approx(0.5));
}

TEST_CASE("rarer failures, quicker restarts and shorter checkpoints never leave less progress") {
  for (const double every : {0.0, 61.0, 70.0, 120.0, 1800.0, 1e5}) {  // 0: the best one
    for (const double blocks : {1.0, 30.0, 60.0, 600.0}) {
      if (every > 0 && blocks >= every) continue;
      for (const double again : {0.0, 60.0, 900.0}) {
        CAPTURE(every);
        CAPTURE(blocks);
        CAPTURE(again);
        RunPlan never{.blocks_s = blocks};  // does a GPU fail
        if (every > 0) never.every_s = every;
        double before = goodput_of(never, 8, 1).goodput;
        for (double hours = 1e6; hours > 0.05; hours /= 1.01) {
          RunPlan run{.blocks_s = blocks, .gpu_mtbf_s = 3600 * hours, .restart_s = again};
          if (every > 0) run.every_s = every;
          const double now = goodput_of(run, 8, 1).goodput;
          CHECK(now <= before);
          CHECK(before - now < 0.02);
          before = now;
          RunPlan worse = run;
          worse.restart_s += 1;
          CHECK(goodput_of(worse, 8, 1).goodput <= now);
          worse = run;
          worse.blocks_s *= 1.01;
          if (every == 0 || worse.blocks_s < every) CHECK(goodput_of(worse, 8, 1).goodput <= now);
        }
      }
    }
  }
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

TEST_CASE("the best interval is Daly's, and the checkpoint") {
  // M = 1,000 s, C = 50 s, C / 2M = 0.025: sqrt(2 x 50 x 1,000) (1 + sqrt(0.025) / 3 + 0.025 / 9)
  //                 = 316.228 x 1.055482 = 333.773, of which 283.773 are steps.
  // Of the time 283.773 / (1,000 (e^0.333773 - 1)) = 283.773 / 396.226 = 0.71619 is progress.
  const Goodput best = goodput_of({.blocks_s = 50, .gpu_mtbf_s = 4000}, 4, 1);
  CHECK(best.checkpoint_every_s == doctest::Approx(333.773).epsilon(1e-6));
  CHECK(best.goodput == doctest::Approx(0.71619).epsilon(1e-5));
  CHECK(best.lost_share == 1 - best.goodput);
  // R = 100 s: e^-0.1 of that, 0.64803; the interval has no R in it.
  const RunPlan slower{.blocks_s = 50, .gpu_mtbf_s = 1000, .detect_s = 40, .restart_s = 60};
  CHECK(goodput_of(slower, 1, 1).checkpoint_every_s == doctest::Approx(333.773).epsilon(1e-6));
  CHECK(goodput_of(slower, 1, 1).goodput == doctest::Approx(0.64803).epsilon(1e-5));
  // C >= 2M: M of steps; 1 / (e^3.5 - 1) = 1 / 32.1155 is progress.
  const Goodput rare = goodput_of({.blocks_s = 2500, .gpu_mtbf_s = 1000}, 1, 1);
  CHECK(rare.checkpoint_every_s == 3500);
  CHECK(rare.goodput == doctest::Approx(1 / 32.1155).epsilon(1e-5));
  const auto at = [](double every) {
    return goodput_of({.every_s = every, .blocks_s = 50, .gpu_mtbf_s = 1000, .restart_s = 100}, 1,
                      1)
        .goodput;
  };
  CHECK(at(333.773) > at(0.95 * 333.773));
  CHECK(at(333.773) > at(1.05 * 333.773));
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
