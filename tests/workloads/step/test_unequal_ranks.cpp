// dp ranks that have different batches: each its own attention, tokens and rows of logits.
#include <doctest/doctest.h>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

TEST_CASE("each dp rank attends, routes and projects what it has itself") {
  // Rank 0 decodes 2 sequences of 10 keys, rank 1 one of 20. Tokens 0 and 1 are rank 0's, token 2
  // rank 1's: experts {0, 2}, {1, 3}, {2, 0}. Two messages from rank 0 to 1, one back; 3 rows each.
  //
  //             rank 0                                rank 1
  // embedding   1.008                                 1.004
  // attention   5 us + 2,435,200 + 19,200 B: 7.4544   5 us + 2,417,600 + 17,600 B: 7.4352
  // router      3 us + 8,000 + 20,080 B: 3.02808      3 us + 8,000 + 10,040 B: 3.01804
  // there at    11.49048                              11.45724
  // dispatch    bytes flow from 20.49048, when the startup of both is over
  //             sent 2 x 2,016 B at 24.52248          received a path later, 25.52248
  // experts     3 us + 6,000,000 + 12,000 B: 9.012
  //             33.53448                              34.53448
  // combine     bytes flow from 43.53448: 2 x 2,000 B to rank 0, 2,000 to rank 1
  //             received 48.53448                     sent 47.53448
  // head        2 rows: 2 us + 16,000 + 204,400 B     1 row: 2 us + 8,000 + 202,200 B
  //             50.75488                              49.74468
  auto d =
      hand_deployment(hand_model({layer_of(hand_attention(), hand_moe())}), {.dp = 2, .ep = 2});
  d.model.head = true;
  const Batch batch{.ranks = {{decoding(2, 10)}, {decoding(1, 20)}}};
  CHECK(time_of(d, batch) == 50'754'880_ps);
  StepPlayer player(d, {.fullest = batch});
  const PlayedStep step = player.play(batch);
  const auto end = [&](const char* name, sim::Rank rank) {
    const auto spans = spans_of(step, name, rank);
    REQUIRE(spans.size() == 1);
    return spans[0].end;
  };
  CHECK(end("router L0", 0) == sim::Time{11'490'480_ps});
  CHECK(end("router L0", 1) == sim::Time{11'457'240_ps});
  CHECK(end("dispatch L0", 0) == sim::Time{24'522'480_ps});
  CHECK(end("dispatch L0", 1) == sim::Time{25'522'480_ps});
  CHECK(end("combine L0", 0) == sim::Time{48'534'480_ps});
  CHECK(end("combine L0", 1) == sim::Time{47'534'480_ps});
  CHECK(end("head", 1) == sim::Time{49'744'680_ps});
  CHECK(step.built.account.tokens == 3);
  CHECK(step.built.account.rows == 6);
}

TEST_CASE("a list with what all ranks have equally is priced as one entry for all") {
  const auto d =
      hand_deployment(hand_model({layer_of(hand_attention(), hand_moe())}), {.dp = 2, .ep = 2});
  const Batch listed{.ranks = {{decoding(2, 10)}, {decoding(2, 10)}}};
  CHECK(time_of(d, listed) == time_of(d, on_every_rank({decoding(2, 10)})));
}

TEST_CASE("a rank that has nothing waits for the others and computes their rows") {
  // Rank 1 has no token. Rank 0's tokens 0 and 1 have an expert here and there each: 2 messages.
  // embedding 1.008, router 3.02808; rank 1 is there at 0. Dispatch 10 + 4.032, rank 1 done at
  // 18.06808; 2 rows: 3 us + 6,000,000 + 8,000 B; combine 10 + 4.
  const auto d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  const Batch batch{.ranks = {{decoding(2, 10)}, {}}};
  CHECK(time_of(d, batch) == 18'068'080_ps + 9'008'000_ps + 14us);
}

TEST_CASE("the host of a rank thinks about its own sequences") {
  // 1 us for each: rank 0 starts at 2, rank 1 at 1.
  auto d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  d.host.per_sequence = 1us;
  const Batch batch{.ranks = {{decoding(2, 10)}, {decoding(1, 10)}}};
  StepPlayer player(d, {.fullest = batch});
  const PlayedStep step = player.play(batch);
  CHECK(spans_of(step, "embedding", 0)[0].start == sim::Time{2us});
  CHECK(spans_of(step, "embedding", 1)[0].start == sim::Time{1us});
}
