// What attention costs in a step: its kinds, keys that are there, prompts beside a decode, tokens
// that are checked together. All widths and kernels are those of hand_scenario.h.
//
// Of T tokens, 5 launches and norm 8000 T, queries, keys and values 2 x 800 x 1000 + 3600 T,
// rotation 3200 T, output 2 x 1000 x 400 + 2800 T: 2,400,000 + 17,600 T bytes, and
//   core  b (2 K x 200 x 2 + 2 q x 400 x 2) = b (800 K + 1600 q)
// of b sequences with q queries and K keys. The embedding is 1 us + 4000 T bytes.
#include <doctest/doctest.h>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

Deployment one_gpu(Mixer mixer) {
  return hand_deployment(hand_model({layer_of(mixer, NoFfn{})}), {});
}

MlaAttention latent(std::int64_t q_lora_rank) {
  return {.heads = 4,
          .q_lora_rank = q_lora_rank,
          .kv_lora_rank = 200,
          .nope_dim = 50,
          .rope_dim = 20,
          .value_dim = 50,
          .index = {}};
}

}  // namespace

TEST_CASE("a decode reads the keys of each sequence") {
  // embedding 1.008; 5 us + 2,400,000 + 35,200 + 2 x (8,000 + 1,600) B = 7.4544
  CHECK(time_of(one_gpu(hand_attention()), on_every_rank({decoding(2, 10)})) == 8'462'400_ps);
  // 1,000 keys more of each: 2 x 800,000 B.
  CHECK(time_of(one_gpu(hand_attention()), on_every_rank({decoding(2, 1010)})) == 10'062'400_ps);
  // A window of 4: 6 keys less of each.
  GqaAttention window = hand_attention();
  window.window = 4;
  CHECK(time_of(one_gpu(window), on_every_rank({decoding(2, 10)})) == 8'462'400_ps - 9'600_ps);
}

TEST_CASE("a chunk of a prompt sees the keys that are there") {
  // 4 tokens after 6 keys: embedding 1.016; 5 us + 2,400,000 + 70,400 + 8,000 + 6,400 B
  CHECK(time_of(one_gpu(hand_attention()), on_every_rank({prompts(1, 4, 6)})) == 8'500'800_ps);
  // At the prompt's beginning: 6 keys less, 4,800 B.
  CHECK(time_of(one_gpu(hand_attention()), on_every_rank({prompts(1, 4)})) == 8'496'000_ps);
}

TEST_CASE("a prompt beside a decode is projected with it and has a core of its own") {
  // 2 sequences that decode and a chunk of 4 tokens that sees 6 keys: embedding of 6 tokens 1.024;
  // 6 us + 2,400,000 + 105,600 + 19,200 + (4,800 + 6,400) B = 8.536; head of 2 + 1 rows, norm
  // 24,000, GEMM 200,000 + 6,600 B, 2 us: 2.2306.
  // Asked as a refill: of prompts of 8 in chunks of 4, and sequences of 4 tokens: one of the 2 ends
  // in two steps, and is followed by two chunks: one a step. They see 4 and 8 keys, 6 on the mean.
  auto d = one_gpu(hand_attention());
  d.model.head = true;
  StepQuestion question = decode_question(2, 10);
  question.refill = {.prompt = 8, .output = 4, .chunk = 4};
  const auto kinds = step_kinds(question);
  REQUIRE(kinds.size() == 1);
  CHECK(time_of(d, kinds[0].batch) == 1'024'000_ps + 8'536'000_ps + 2'230'600_ps);
}

TEST_CASE("tokens of a sequence that are checked together share the reading of its cache") {
  // 2 sequences of 2 tokens: embedding 1.016; 5 us + 2,400,000 + 70,400 + 2 x (8,000 + 3,200) B.
  BatchShape checked = decoding(2, 10);
  checked.query_length = 2;
  CHECK(time_of(one_gpu(hand_attention()), on_every_rank({checked})) ==
        1'016'000_ps + 7'492'800_ps);
}

TEST_CASE("a speculative step with attention is a pass of all tokens and one of each drafted one") {
  // One GPU, a mixture, the head; 2 sequences of 10 keys with one drafted token each.
  // The pass of 4 tokens: embedding 1.016, attention 7.4928 (above), router 3 us + 8,000
  // + 40,160 B, experts 6 us + 12,000,000 + 16,000 B, head of 4 rows 2 us + 32,000 + 208,800 B:
  //   1.016 + 7.4928 + 3.04816 + 18.016 + 2.2408 = 31.81376
  // The draft of 2 tokens: input 2 x (1 us + 16,000 B) + 1 us + 2 x 2000 x 1000 + 12,000 B,
  // attention 7.4544, router 3.02808, experts 6 us + 12,000,000 + 8,000 B, head of 2 rows 2 us
  // + 16,000 + 204,400 B:
  //   7.044 + 7.4544 + 3.02808 + 18.008 + 2.2204 = 37.75488
  auto d = hand_deployment(hand_model({layer_of(hand_attention(), hand_moe())}), {});
  d.model.head = true;
  StepQuestion question = decode_question(2, 10);
  question.speculation = {.draft = 1, .accepted = 1.5};
  const Batch batch = step_kinds(question).front().batch;
  CHECK(time_of(d, batch) == 31'813'760_ps + 37'754'880_ps);
  // Two drafted ones: two passes, and a pass of 6 tokens: embedding + 0.008, attention
  // + 0.035200 + 0.003200, router + 0.02008, experts + 0.008, head + 0.0204.
  question.speculation = {.draft = 2, .accepted = 1.5};
  CHECK(time_of(d, step_kinds(question).front().batch) ==
        31'813'760_ps + 94'880_ps + 2 * 37'754'880_ps);
}

TEST_CASE("latent attention decodes in the latent space") {
  // 4 heads of 50 + 20 and 50, queries through 100, a cache of 200 + 20; 2 sequences of 10 keys.
  // norm                                   16,000 B
  // down    [320 x 1000]        640,000 + 5,280
  // queries [280 x 100]          56,000 + 1,520
  // norms and rotation of 100 + 220 + 80 numbers, 2 x 2 x 2 x 400 = 3,200
  // into the latent space, 4 x [200 x 50]   80,000 + 8 rows x 500 = 84,000
  // core    2 x (10 x 220 x 2 + 4 x 420 x 2) = 15,520
  // out of it, 4 x [50 x 200]               84,000
  // output  [1000 x 200]        400,000 + 4,800
  // 8 launches and 1,310,320 B; embedding 1.008.
  CHECK(time_of(one_gpu(latent(100)), on_every_rank({decoding(2, 10)})) == 10'318'320_ps);
  // Queries straight from hidden: [500 x 1000] 1,000,000 + 6,000 in place of the two, and 100
  // numbers less to norm:
  // 16,000 + 1,006,000 + 2,400 + 84,000 + 15,520 + 84,000 + 404,800 = 1,612,720 B, 7 launches.
  CHECK(time_of(one_gpu(latent(0)), on_every_rank({decoding(2, 10)})) == 9'620'720_ps);
}

TEST_CASE("keys that are there were not expanded for a chunk of a prompt of latent attention") {
  // 4 tokens after 6 keys. The kernels of prefill want keys and values of every head, of all 10;
  // those of the 6 lie in the cache as latent vectors only.
  // norm 32,000; down 640,000 + 10,560; queries 56,000 + 3,040; norms and rotation 6,400
  // keys and values [400 x 200] of 10: 160,000 + 12,000
  // rotated queries copied 2 x 4 x 20 numbers of 4: 1,280
  // keys copied 4 x (2 x 50 + 20) + 20 = 500 numbers of 10: 10,000
  // core 4 x (4 x 120 + 10 x 120) x 2 = 13,440; output 400,000 + 9,600
  // 9 launches and 1,354,320 B; embedding 1.016.
  CHECK(time_of(one_gpu(latent(100)), on_every_rank({prompts(1, 4, 6)})) == 11'370'320_ps);
}
