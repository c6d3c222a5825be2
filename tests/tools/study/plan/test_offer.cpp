#include "tools/study/plan/offer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "validation/confidence.h"

using namespace moesim;
using namespace moesim::tools;
using doctest::Approx;

namespace {

// Engines of two GPUs at 3 USD each, nodes of eight, 64 GPUs to be had.
const EngineTerms kPair{.gpus = 2, .gpus_per_node = 8, .price = 3, .most = 64};

Demand demand(double rate, double confidence = 0.5) {
  return {.rate = rate, .confidence = confidence, .limits = {.gpus = 64}};
}

}  // namespace

TEST_CASE("as many engines as carry the rate: capacity, cost and probability on paper") {
  // At 0.5 the capacity must be the rate: 24 / 5 = 4.8, five engines, 10 GPUs, 30 USD, 25 a second.
  const auto offer = offer_of(kPair, 5, 0.1, demand(24));
  REQUIRE(offer);
  CHECK(offer->engines == 5);
  CHECK(offer->gpus == 10);
  CHECK(offer->cost == 30);
  CHECK(offer->capacity == 25);
  CHECK(offer->value == 10);
  CHECK(offer->probability == Approx(validation::normal_below(std::log(25.0 / 24) / 0.1)));
  // Exactly the rate is enough: 25 / 5 = 5, not six for a rounding.
  CHECK(offer_of(kPair, 5, 0.1, demand(25))->engines == 5);
  // At 0.8 it must be 24 exp(0.8416 x 0.1) = 26.1: six.
  CHECK(offer_of(kPair, 5, 0.1, demand(24, 0.8))->engines == 6);
  CHECK_FALSE(offer_of(kPair, 0, 0.1, demand(24)));
}

TEST_CASE("limits of GPUs, of what there is, and of cost") {
  Demand asked = demand(24);
  asked.limits.gpus = 9;
  CHECK_FALSE(offer_of(kPair, 5, 0.1, asked));
  CHECK(offer_without_limits(kPair, 5, 0.1, asked)->gpus == 10);
  asked.limits.gpus = 10;
  CHECK(offer_of(kPair, 5, 0.1, asked));
  asked.limits.cost = 29;
  CHECK_FALSE(offer_of(kPair, 5, 0.1, asked));
  EngineTerms few = kPair;
  few.most = 8;
  CHECK_FALSE(offer_of(few, 5, 0.1, demand(24)));
}

TEST_CASE("what is spare may be lost and the rate is carried still") {
  Demand asked = demand(24);
  // A GPU takes its engine: 5 + 1. A node of eight has four engines of two: 5 + 4.
  asked.spare = Spare::Gpu;
  CHECK(offer_of(kPair, 5, 0.1, asked)->engines == 6);
  asked.spare = Spare::Node;
  const auto offer = offer_of(kPair, 5, 0.1, asked);
  CHECK(offer->engines == 9);
  // The probability is that of the five that are left, the capacity that of all.
  CHECK(offer->probability == Approx(validation::normal_below(std::log(25.0 / 24) / 0.1)));
  CHECK(offer->capacity == 45);
  // An engine of two nodes is down with either.
  CHECK(engines_lost({.gpus = 16, .gpus_per_node = 8}, Spare::Node) == 1);
}

TEST_CASE("by throughput a plan takes what the limits leave room for") {
  Demand asked = demand(24);
  asked.objective = Objective::Throughput;
  CHECK(offer_of(kPair, 5, 0.1, asked)->engines == 32);
  CHECK(offer_of(kPair, 5, 0.1, asked)->value == -160);
  asked.limits.cost = 100;  // 16 engines at 6 USD
  CHECK(offer_of(kPair, 5, 0.1, asked)->engines == 16);
}

TEST_CASE("a plan draws what its GPUs that work and those that wait do") {
  EngineTerms terms = kPair;
  terms.idle_w = 100;
  terms.busy_w = 500;
  Demand asked = demand(24);
  asked.objective = Objective::Power;
  // Five engines, 10 GPUs, carry 25: 24 / 25 of them work. 10 x (100 + 0.96 x 400) = 4,840 W.
  const auto offer = offer_of(terms, 5, 0.1, asked);
  REQUIRE(offer);
  CHECK(offer->power == Approx(4840));
  CHECK(offer->value == Approx(4840));
  asked.limits.power = 4839;
  CHECK_FALSE(offer_of(terms, 5, 0.1, asked));
  // By throughput each engine beyond the five only waits, with 200 W: 1,000 W are five more.
  asked.objective = Objective::Throughput;
  asked.limits.power = 4840 + 1001;
  CHECK(offer_of(terms, 5, 0.1, asked)->engines == 10);
  // Six engines of two that wait draw 1,200 W of 1,300; one that works, 1,000.
  CHECK(engines_within(terms, {.gpus = 64, .power = 1300}) == 6);
  CHECK(engines_at_work_within(terms, {.gpus = 64, .power = 1300}) == 1);
  CHECK(engines_at_work_within(terms, {.gpus = 64, .power = 999}) == 0);
  // What is not known draws nothing.
  CHECK(offer_of(kPair, 5, 0.1, demand(24))->power == 0);
}

TEST_CASE("the better of two: by the objective, then fewer GPUs, then the larger capacity") {
  const Offer a{.gpus = 8, .capacity = 30, .value = 10}, b{.gpus = 4, .capacity = 20, .value = 11};
  CHECK(better(a, b));
  CHECK_FALSE(better(b, a));
  const Offer c{.gpus = 4, .capacity = 20, .value = 10};
  CHECK(better(c, a));
  const Offer d{.gpus = 4, .capacity = 21, .value = 10};
  CHECK(better(d, c));
  CHECK_FALSE(better(d, d));
}

TEST_CASE("a higher price, a lower limit or a tighter confidence never makes a plan cheaper") {
  for (double capacity = 0.7; capacity < 40; capacity *= 1.3) {
    CAPTURE(capacity);
    const auto at = [&](double price, double confidence, std::int64_t limit) {
      EngineTerms terms = kPair;
      terms.price = price;
      Demand asked = demand(24, confidence);
      asked.objective = Objective::Cost;
      asked.limits.gpus = limit;
      const auto offer = offer_of(terms, capacity, 0.15, asked);
      return offer ? offer->cost : INFINITY;
    };
    CHECK(at(3, 0.8, 64) <= at(3.5, 0.8, 64));
    CHECK(at(3, 0.8, 64) <= at(3, 0.9, 64));
    CHECK(at(3, 0.8, 64) <= at(3, 0.8, 32));
  }
}

TEST_CASE("a run of training is one engine, whose GPUs work until it is done") {
  // 64 GPUs of 3 USD do 5 tokens a second; 90,000 are to be done at 4 or more: 18,000 s, 5 h.
  const EngineTerms job{
      .gpus = 64, .price = 3, .most = 640, .most_engines = 1, .idle_w = 100, .busy_w = 600};
  Demand asked{.rate = 4, .confidence = 0.5, .limits = {.gpus = 640}, .tokens = 90'000};
  const auto offer = offer_of(job, 5, 0.1, asked);
  REQUIRE(offer);
  CHECK(offer->engines == 1);
  CHECK(offer->cost == 192);
  // A load of 4 would leave a fifth of the time to wait.
  CHECK(offer->power == 64 * 600);
  asked.objective = Objective::Cost;
  CHECK(offer_of(job, 5, 0.1, asked)->value == Approx(192 * 5));
  // Twice as fast it costs half.
  CHECK(offer_of(job, 10, 0.1, asked)->value == Approx(192 * 2.5));
  // Two jobs do not do one job's work in half the time.
  asked.rate = 6;
  CHECK_FALSE(offer_of(job, 5, 0.1, asked));
  CHECK(offer_without_limits(job, 5, 0.1, asked)->engines == 2);
  asked.rate = 4;
  asked.objective = Objective::Throughput;
  CHECK(offer_of(job, 5, 0.1, asked)->engines == 1);
}
