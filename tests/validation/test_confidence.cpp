#include "validation/confidence.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace moesim::validation;
using doctest::Approx;

TEST_CASE("the normal distribution at points of its tables") {
  CHECK(normal_below(0) == 0.5);
  CHECK(normal_below(1) == Approx(0.841344746));
  CHECK(normal_below(-1.959963985) == Approx(0.025));
  CHECK(normal_quantile(0.5) == Approx(0).epsilon(1e-9));
  CHECK(normal_quantile(0.9) == Approx(1.2815515655));
}

TEST_CASE("the deviation is that of the models and of what no model has, as squares") {
  // p90 / p10 = exp(2 x 1.28155 x 0.24): a deviation of 0.24; with 0.10 beside it 0.26 (5, 12, 13).
  const double half = std::exp(1.2815515655446004 * 0.24);
  const EngineCapacity capacity{.p10 = 10 / half, .p50 = 10, .p90 = 10 * half};
  CHECK(deviation_of(capacity, 0.10) == Approx(0.26));
  // Without an interval there is what no model has.
  CHECK(deviation_of({.p10 = 10, .p50 = 10, .p90 = 10}, 0.10) == Approx(0.10));
}

TEST_CASE("a plan meets its targets with probability one half where capacity is the rate") {
  CHECK(probability_of(24, 24, 0.2) == 0.5);
  // One deviation above: 84.1 %.
  CHECK(probability_of(24 * std::exp(0.2), 24, 0.2) == Approx(0.841344746));
  CHECK(probability_of(0, 24, 0.2) == 0);
  CHECK(probability_of(capacity_for(24, 0.8, 0.2), 24, 0.2) == Approx(0.8));
}

TEST_CASE("what is common to two engines moves both, what is not tells them apart") {
  const double half = std::exp(1.2815515655446004 * 0.1);  // a deviation of 0.1
  EngineCapacity a{.p10 = 11 / half, .p50 = 11, .p90 = 11 * half, .share = {1, 0}};
  EngineCapacity b{.p10 = 10 / half, .p50 = 10, .p90 = 10 * half, .share = {1, 0}};
  // All of both rests on one model of one device, whatever that is off by: there is left what is
  // each one's own of what no model has, half of 0.01 twice.
  CHECK(probability_better(a, 11, b, 10, true, 0.1) == Approx(normal_below(std::log(1.1) / 0.1)));
  CHECK(probability_better(b, 10, a, 11, true, 0.1) ==
        Approx(1 - normal_below(std::log(1.1) / 0.1)));
  CHECK(probability_better(a, 10, b, 10, true, 0.1) == 0.5);
  // B rests on another model: each has 0.1, the difference sqrt(2) x 0.1, beside that.
  b.share = {0, 1};
  CHECK(probability_better(a, 11, b, 10, true, 0.1) ==
        Approx(normal_below(std::log(1.1) / std::sqrt(0.03))));
  // On another device what no model has is each one's own, too: variances 4 x 0.01.
  CHECK(probability_better(a, 11, b, 10, false, 0.1) == Approx(normal_below(std::log(1.1) / 0.2)));
}
