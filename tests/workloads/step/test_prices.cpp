// What a step costs as others ask for it: by routing, by cost model, from what is remembered.
#include "workloads/step/prices.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
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

TEST_CASE(
    "a price is the played step's at the table's points, to the picosecond, for any contexts") {
  // 1, 2, 4 … sequences are ends of cells. Ranks with as many tokens, but contexts of their own,
  // wait for the slowest as in the played step: every rank has tokens for the other's experts.
  for (const std::uint64_t seed : {1u, 2u}) {
    const Deployment d = drawn_deployment(seed);
    StepPlayer player(d, {.fullest = on_every_rank({decoding(64, 1)}), .routing_steps = 3});
    StepPrices prices(player);
    for (const std::int64_t sequences : {8, 16, 32, 64}) {
      for (const std::int64_t context : {1, 100, 1024, 7777}) {
        CAPTURE(sequences);
        CAPTURE(context);
        const Batch batch = on_every_rank({decoding(sequences, context)});
        const Batch unequal{.ranks = {{decoding(sequences, context)}, {decoding(sequences, 333)}}};
        for (std::int64_t r = 0; r < 3; ++r) {
          CHECK(prices.of(batch, r).time == player.play(batch, r).time());
          CHECK(prices.of(unequal, r).time == player.play(unequal, r).time());
        }
      }
    }
  }
}

TEST_CASE("between its points a price is within the tolerance, in the mean of the routings") {
  // Eight layers and 16 routings: what a single draw of 30 tokens moves is small in their mean.
  for (const std::uint64_t seed : {1u, 2u}) {
    Deployment d = drawn_deployment(seed);
    d.model.layers.assign(8, 0);
    StepPlayer player(d, {.fullest = on_every_rank({decoding(96, 1)}), .routing_steps = 16});
    StepPrices prices(player, {.tolerance = 0.005});
    const auto error = [&](const Batch& batch) {
      double played = 0;
      for (std::int64_t r = 0; r < 16; ++r) {
        played += static_cast<double>(player.outcome(batch, r).time.count()) / 16;
      }
      return std::abs(static_cast<double>(prices.of(batch).time.count()) / played - 1);
    };
    double sum = 0, unequal = 0;
    int exact = 0;
    for (std::int64_t sequences = 33; sequences <= 96; ++sequences) {
      const double off = error({.ranks = {{decoding(sequences, 100)}, {decoding(sequences, 50)}}});
      sum += off;
      exact += off < 1e-9;
      const std::int64_t fewer = sequences / 3;
      unequal += error(
          {.ranks = {{decoding(sequences - fewer, 100)}, {decoding(sequences + fewer, 300)}}});
    }
    CHECK(sum / 64 < 0.005);
    CHECK(unequal / 64 < 0.02);
    CHECK(exact < 40);  // not all was played
  }
}

TEST_CASE("the host comes before a step, or beside it where it takes longer") {
  // 5 us and 1 us for each of 8 sequences: 13 us. Beside a step of more than that it is not seen;
  // 1 ms is all that is.
  Deployment d = drawn_deployment(1);
  const Batch batch = on_every_rank({decoding(8, 100)});
  const auto price = [&] {
    StepPlayer player(d, {.fullest = batch});
    StepPrices prices(player);
    const StepPrice made = prices.of(batch);
    CHECK(made.time == player.play(batch).time());
    CHECK(sum(made.parts) == made.time);
    return made;
  };
  const StepPrice without = price();
  d.host = {.engine = "hand", .per_step = 5us, .per_sequence = 1us};
  CHECK(price().time == without.time + 13us);
  CHECK(part(price(), Factor::Host) == 13us);
  d.host.overlapped = true;
  CHECK(price().time == without.time);
  CHECK(part(price(), Factor::Host) == 0us);
  d.host.per_step = 1ms;
  CHECK(price().time == 1008us);
  CHECK(part(price(), Factor::Host) == 1008us);
}

TEST_CASE("slow GPUs, tensor parallelism, prompts and chunks are priced as they are played") {
  Deployment d = hand_deployment(
      hand_model({layer_of(hand_attention(), hand_dense()), layer_of(hand_attention(), hand_moe()),
                  layer_of(hand_attention(), hand_moe())}),
      {.tp = 2, .dp = 2, .ep = 4});
  d.model.head = true;
  d.network.fidelity = hardware::Fidelity::Bound;
  d.routing.law = Law::Uniform;
  d.cluster.slow.push_back({.rank = 2, .speed = 0.5});
  StepPlayer player(d, {.fullest = on_every_rank({decoding(64, 1)}), .routing_steps = 2});
  StepPrices prices(player);
  const Batch decode = on_every_rank({decoding(32, 200)});
  CHECK(prices.of(decode, 1).time == player.play(decode, 1).time());
  const Batch prompt = on_every_rank({prompts(1, 32, 100)});
  CHECK(prices.of(prompt, 1).time == player.play(prompt, 1).time());
  // As many tokens, of a chunk and of sequences that decode: fewer rows for the head.
  const Batch mixed = on_every_rank({decoding(20, 200), prompts(1, 12, 30)});
  CHECK(prices.check(mixed, 0).error() < 0.002);
}

TEST_CASE("where batches overlap the whole step is looked up by tokens and attention") {
  for (const std::uint64_t seed : {1u, 2u}) {
    Deployment d = drawn_deployment(seed);
    d.model.layers = {0, 0, 0};
    d.overlap.two_batch = true;
    StepPlayer player(d, {.fullest = on_every_rank({decoding(64, 1)}), .routing_steps = 2});
    StepPrices prices(player);
    for (const std::int64_t context : {1, 64, 2048}) {
      const Batch batch = on_every_rank({decoding(32, context)});
      CHECK(prices.of(batch, 1).time == player.play(batch, 1).time());
      CHECK(sum(prices.of(batch, 1).parts) == prices.of(batch, 1).time);
    }
    for (const std::int64_t context : {3, 100, 777, 5000}) {
      CAPTURE(context);
      CHECK(prices.check(on_every_rank({decoding(37, context)}), 0).error() < 0.01);
    }
  }
}

TEST_CASE("micro-batches of a pipeline wait for the one that takes longest") {
  // Two stages alike of 32 layers, no head. One prompt is one micro-batch, the other is empty: it
  // goes through both stages before the next step, as each of two such prompts does beside the
  // other. Priced by its tokens it would be two halves, one beside the other.
  Deployment d = hand_deployment(hand_model({layer_of(hand_attention(), hand_dense())}), {.pp = 2});
  d.model.layers.assign(64, 0);
  d.network.fidelity = hardware::Fidelity::Bound;
  StepPlayer player(d, {.fullest = on_every_rank({prompts(2, 64)})});
  StepPrices prices(player);
  const Batch two = on_every_rank({prompts(2, 16, 100)}),
              one = on_every_rank({prompts(1, 16, 100)});
  CHECK(prices.of(one).time == prices.of(two).time);
  CHECK(prices.check(one, 0).error() < 0.005);
  CHECK(prices.check(two, 0).error() < 0.005);
  CHECK(prices.of(on_every_rank({prompts(2, 8, 100)})).time < prices.of(one).time);
  // Of unequal ones the longer counts, wherever it is; kernels of attention are launched for each.
  for (const Batch& batch :
       {on_every_rank({decoding(6, 500), prompts(1, 16, 100)}), on_every_rank({decoding(5, 1500)}),
        on_every_rank({prompts(1, 3), prompts(1, 30)}),
        on_every_rank({prompts(1, 30), prompts(1, 3)}),
        on_every_rank({decoding(6, 2000), decoding(2, 1)})}) {
    CHECK(prices.check(batch, 0).error() < 0.01);
  }
}

TEST_CASE("a micro-batch beyond the envelope is played with its step") {
  // A prompt as long as the fullest step: two like it are more than the player has routing for.
  Deployment d = drawn_deployment(1);
  d.layout = {.pp = 2};
  d.model.layers = {0, 0};
  const Batch one = on_every_rank({prompts(1, 64)});
  StepPlayer player(d, {.fullest = one});
  CHECK(StepPrices(player).of(one).time == player.play(one).time());
}

TEST_CASE("drafts of unequal batches are played each") {
  Deployment d = drawn_deployment(1);
  Batch batch{.ranks = {{decoding(8, 100)}, {prompts(1, 5)}}, .drafted = 1};
  batch.ranks[0][0].query_length = 2;
  StepPlayer player(d, {.fullest = on_every_rank({decoding(32, 1)})});
  StepPrices prices(player);
  CHECK(prices.of(batch).time == player.play(batch).time());
  CHECK(prices.of(batch).time == player.play(batch).time());
  // Of ranks that only decode there is a table, at whose points it is exact.
  Batch decode = on_every_rank({decoding(8, 2048)});
  decode.drafted = 1;
  decode.ranks[0][0].query_length = 2;
  decode.ranks[0][0].kv_length = 2049;
  CHECK(prices.of(decode).time == player.play(decode).time());
}

TEST_CASE("what is forgotten is priced again as before") {
  const Deployment d = drawn_deployment(1);
  const Batch most = on_every_rank({decoding(8, 100)}), less = on_every_rank({decoding(3, 7)});
  StepPlayer player(d, {.fullest = most, .routing_steps = 2});
  StepPrices keeps(player), forgets(player, {.most_bytes = 1});
  for (int again = 0; again < 2; ++again) {
    CHECK(forgets.of(most).time == keeps.of(most).time);
    CHECK(forgets.of(less).time == keeps.of(less).time);
  }
}

TEST_CASE("a price's error is of the played time") {
  CHECK(PriceCheck{.priced = 102_ps, .played = 100_ps}.error() == doctest::Approx(0.02));
  CHECK(PriceCheck{.priced = 98_ps, .played = 100_ps}.error() == doctest::Approx(0.02));
}
