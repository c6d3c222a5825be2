// What a step costs as others ask for it: by routing, by cost model, from what is remembered.
#include "workloads/step/prices.h"

#include <doctest/doctest.h>

#include <numeric>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

sim::Duration sum(const FactorTimes& parts) {
  return std::accumulate(parts.begin(), parts.end(), sim::Duration{});
}

sim::Duration part(const StepPrice& price, Factor factor) {
  return price.parts[static_cast<std::size_t>(factor)];
}

// Two dp ranks, attention and four experts, with a head; the law's draws differ from step to step.
Deployment drawn_deployment(std::uint64_t seed) {
  auto d =
      hand_deployment(hand_model({layer_of(hand_attention(), hand_moe())}), {.dp = 2, .ep = 2});
  d.model.head = true;
  d.network.fidelity = hardware::Fidelity::Bound;
  d.routing.law = Law::Uniform;
  d.seed = seed;
  return d;
}

}  // namespace

TEST_CASE("a price divides along what the step waited for") {
  // The step of test_unequal_ranks.cpp, from its end back:
  //   head of rank 0           48.53448 to 50.75488   2.2204
  //   combine, of which rank 1 came last, at 34.53448: 14
  //   experts of rank 1        9.012
  //   dispatch, of which rank 0 came last, at 11.49048, to 25.52248 at rank 1: 14.032
  //   router, attention, embedding of rank 0: 3.02808, 7.4544, 1.008
  // The core is 1.0192 of rank 0's 7.4544 us of attention and 1.0176 of rank 1's 7.4352, in all
  // 2.0368 of 14.8896: of 7.4544 us that part is 1.019713, cut to the picosecond.
  auto d =
      hand_deployment(hand_model({layer_of(hand_attention(), hand_moe())}), {.dp = 2, .ep = 2});
  d.model.head = true;
  d.network.fidelity = hardware::Fidelity::Bound;
  const Batch batch{.ranks = {{decoding(2, 10)}, {decoding(1, 20)}}};
  StepPlayer player(d, {.fullest = batch});
  const StepPrice price = StepPrices(player).of(batch, 0);
  CHECK(price.time == 50'754'880_ps);
  CHECK(part(price, Factor::AllToAll) == 28'032'000_ps);
  CHECK(part(price, Factor::Experts) == 9'012'000_ps);
  CHECK(part(price, Factor::Attention) == 1'019'713_ps);
  CHECK(part(price, Factor::Gemm) == 12'691'167_ps);  // the rest
  CHECK(part(price, Factor::Collectives) == 0_ps);
  CHECK(part(price, Factor::Host) == 0_ps);
  CHECK(price.low == price.time);
  CHECK(price.high == price.time);
}

TEST_CASE("without a routing named a price is the mean of all, with their spread") {
  for (const std::uint64_t seed : {1u, 2u}) {
    const Deployment d = drawn_deployment(seed);
    const Batch batch = on_every_rank({decoding(8, 100)});
    StepPlayer player(d, {.fullest = batch, .routing_steps = 4});
    StepPrices prices(player);
    CHECK(prices.routings() == 4);
    sim::Duration total{}, low = sim::Duration::max(), high{};
    for (std::int64_t r = 0; r < 4; ++r) {
      const sim::Duration played = player.play(batch, r).time();
      CHECK(prices.of(batch, r).time == played);
      total += played;
      low = std::min(low, played);
      high = std::max(high, played);
    }
    const StepPrice price = prices.of(batch);
    CHECK(price.time == (total + 2_ps) / 4);
    CHECK(price.low == low);
    CHECK(price.high == high);
    CHECK(low < high);
    CHECK(sum(price.parts) == price.time);
  }
}

TEST_CASE("what is forgotten is priced again as before") {
  const Deployment d = drawn_deployment(1);
  const Batch most = on_every_rank({decoding(8, 100)}), less = on_every_rank({decoding(3, 7)});
  StepPlayer player(d, {.fullest = most, .routing_steps = 2});
  StepPrices keeps(player), forgets(player, {.most_remembered = 1});
  for (int again = 0; again < 2; ++again) {
    CHECK(forgets.of(most).time == keeps.of(most).time);
    CHECK(forgets.of(less).time == keeps.of(less).time);
  }
}

TEST_CASE("a price's error is of the played time") {
  CHECK(PriceCheck{.priced = 102_ps, .played = 100_ps}.error() == doctest::Approx(0.02));
  CHECK(PriceCheck{.priced = 98_ps, .played = 100_ps}.error() == doctest::Approx(0.02));
}
