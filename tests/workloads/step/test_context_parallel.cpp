// Context parallelism: queries are divided, keys and values are gathered.
#include <doctest/doctest.h>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

TEST_CASE("a cp rank has its part of the queries and sees all keys") {
  // A prompt of 8 tokens over 2 ranks, 4 each.
  // embedding  of 4 tokens                                              1.016000
  // gather     8 x 400 numbers x 2 B = 6,400 B: 20 + 3.2               24.216000
  // attention  5 us + norm 32,000, queries, keys and values 1,600,000 + 14,400, rotation 12,800,
  //            core 2 x 8 x 200 x 2 + 2 x 4 x 400 x 2 = 12,800, output 800,000 + 11,200 B:
  //            7.4832                                                  31.699200
  // dense      4 us + 3,000,000 + 4 x 18,000 B: 7.072                  38.771200
  const auto d = hand_deployment(hand_model({layer_of(hand_attention(), hand_dense())}), {.cp = 2});
  CHECK(time_of(d, on_every_rank({prompts(1, 8)})) == 38'771'200_ps);
}

TEST_CASE("what does not divide over cp ranks was left out of attention") {
  // 5 tokens over 2 ranks: one has 3, and is who the step waits for; it was 2, as if a token were
  // nobody's.
  // embedding 1.012; gather of 4,000 B 22; attention 5 us + 2,400,000 + 3 x 17,600
  // + 2 x 5 x 400 + 2 x 3 x 800 = 8,800 B: 7.4616; dense 4 us + 3,000,000 + 54,000 B: 7.054
  const auto d = hand_deployment(hand_model({layer_of(hand_attention(), hand_dense())}), {.cp = 2});
  CHECK(time_of(d, on_every_rank({prompts(1, 5)})) ==
        1'012'000_ps + 22us + 7'461'600_ps + 7'054'000_ps);
}

TEST_CASE("cp ranks route their own tokens where experts are spread over them") {
  // cp 2 = ep 2, 4 tokens of a prompt of 8 each; a layer without attention gathers nothing.
  // embedding 1.016; router 3 us + 8,000 + 4 x 10,040 B: 3.04816; 4 tokens, each with one choice
  // away: dispatch 10 + 4 x 2.016; 8 rows: experts 3 us + 6,000,000 + 32,000 B: 9.032; combine 18.
  const auto d = hand_deployment(hand_model(), {.ep = 2, .cp = 2});
  CHECK(time_of(d, on_every_rank({prompts(1, 8)})) ==
        1'016'000_ps + 3'048'160_ps + 18'064'000_ps + 9'032'000_ps + 18us);
}

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

TEST_CASE("cp ranks gather the latent vectors of latent attention, and expand them all") {
  // A cache of 200 + 20 numbers: 8 x 220 x 2 = 3,520 B, 20 + 1.76. Keys of all 8 tokens are
  // expanded on each rank, queries are those of its 4 (test_attention.cpp has the parts):
  // norm 32,000, down 640,000 + 10,560, queries 56,000 + 3,040, norms and rotation 6,400, keys
  // 160,000 + 8 x 1,200, rotated queries 1,280, keys copied 8 x 1,000, core
  // 4 x (4 x 120 + 8 x 120) x 2 = 11,520, output 400,000 + 9,600 B, 9 launches.
  const MlaAttention mla{.heads = 4,
                         .q_lora_rank = 100,
                         .kv_lora_rank = 200,
                         .nope_dim = 50,
                         .rope_dim = 20,
                         .value_dim = 50,
                         .index = {}};
  const auto d = hand_deployment(hand_model({layer_of(mla, NoFfn{})}), {.cp = 2});
  CHECK(time_of(d, on_every_rank({prompts(1, 8)})) == 1'016'000_ps + 21'760'000_ps + 10'348'000_ps);
}

TEST_CASE("cp made decode no faster: every rank read all keys of a cache that is divided") {
  // 4 sequences of 10 keys over 2 ranks: tokens of 2 each, and 5 keys of all 4.
  // embedding  of 2 tokens                                              1.008000
  // gather     4 x (queries 400 + keys and values 400) x 2 B: 20 + 3.2 23.200000
  // attention  6 us + norm 16,000, queries, keys and values 1,600,000 + 7,200, rotation 6,400,
  //            core 4 x (5 x 800 + 1,600) = 22,400, merge 4 x 2 x 400 x 2 = 6,400,
  //            output 800,000 + 5,600 B                                 8.464000
  // merge      4 tokens x 4 heads x (100 x 2 + 4) B = 3,264: 30 + 1.632 31.632000
  // dense      4 us + 3,000,000 + 2 x 18,000 B                          7.036000
  const auto d = hand_deployment(hand_model({layer_of(hand_attention(), hand_dense())}), {.cp = 2});
  CHECK(time_of(d, on_every_rank({decoding(4, 10)})) == 71'340'000_ps);
  // A window of 4 has 2 keys on each rank: 3 less of 4 sequences.
  GqaAttention window = hand_attention();
  window.window = 4;
  const auto w = hand_deployment(hand_model({layer_of(window, hand_dense())}), {.cp = 2});
  CHECK(time_of(w, on_every_rank({decoding(4, 10)})) == 71'340'000_ps - 9'600_ps);
}

TEST_CASE("latent attention's queries meet the part of the latent keys that a cp rank has") {
  // 2 sequences of 10 keys over 2 ranks. Gather 2 x (220 + 4 x 220) x 2 = 4,400 B. Attention of one
  // token: norm 8,000, down 640,000 + 2,640, queries 56,000 + 760, norms and rotation 1,600, into
  // the latent space 80,000 + 2,000; core of both 2 x (5 x 220 x 2 + 4 x 420 x 2) = 11,120, merge
  // 2 x 2 x 800 x 2 = 6,400; out of it 80,000 + 2,000, output 400,000 + 2,400 B; 9 launches.
  // Merge over ranks: 2 x 4 x (200 x 2 + 4) = 3,232 B.
  const MlaAttention mla{.heads = 4,
                         .q_lora_rank = 100,
                         .kv_lora_rank = 200,
                         .nope_dim = 50,
                         .rope_dim = 20,
                         .value_dim = 50,
                         .index = {}};
  const auto d = hand_deployment(hand_model({layer_of(mla, NoFfn{})}), {.cp = 2});
  CHECK(time_of(d, on_every_rank({decoding(2, 10)})) ==
        1'004'000_ps + 22'200'000_ps + 10'292'920_ps + 31'616'000_ps);
}

TEST_CASE("a chunk's cp ranks gather the keys that are there too") {
  // 8 tokens after 8: 16 x 400 x 2 B = 12,800: 20 + 6.4.
  const auto d = hand_deployment(hand_model({layer_of(hand_attention(), hand_dense())}), {.cp = 2});
  const Batch batch = on_every_rank({prompts(1, 8, 8)});
  StepPlayer player(d, {.fullest = batch});
  const PlayedStep step = player.play(batch);
  const auto gather = spans_of(step, "context all-gather L0", 0);
  REQUIRE(gather.size() == 1);
  CHECK(gather[0].end - gather[0].start == 26'400'000_ps);
}
