// Context parallelism: queries are divided, keys and values are gathered.
#include <doctest/doctest.h>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

TEST_CASE("a tp rank gathers the keys and values of its own heads") {
  // tp 2 x cp 2: 8 x 200 numbers x 2 B = 3,200 B: 20 + 1.6.
  const auto d = hand_deployment(hand_model({layer_of(hand_attention(), hand_dense())}),
                                 {.tp = 2, .etp = 2, .cp = 2});
  const Batch batch = on_every_rank({prompts(1, 8)});
  StepPlayer player(d, {.fullest = batch});
  const PlayedStep step = player.play(batch);
  const auto gather = spans_of(step, "context all-gather L0", 0);
  REQUIRE(gather.size() == 1);
  CHECK(gather[0].end - gather[0].start == 21'600'000_ps);
  // All that a tp rank reduces is of its 4 tokens: 8,000 B, 10 + 8.
  const auto reduce = spans_of(step, "attention reduce L0", 3);
  REQUIRE(reduce.size() == 1);
  CHECK(reduce[0].end - reduce[0].start == 18us);
}
