// Tensor parallelism, of the dense part and inside experts, to the picosecond.
//
// Of T tokens on one of two tp ranks (hand_scenario.h): attention has 2 heads and 1 of keys, 5
// launches and
//   norm 8000 T, queries, keys and values 2 x 400 x 1000 + 2800 T, rotation 1600 T,
//   output 2 x 1000 x 200 + 2400 T:  1,200,000 + 14,800 T bytes, and of b sequences with K keys
//   core b (2 K x 100 x 2 + 2 x 2 x 100 x 2) = b (400 K + 800).
#include <doctest/doctest.h>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

TEST_CASE("tp ranks that share everything reduce after embedding, attention and each network") {
  // 2 sequences of 10 keys; a dense layer and a mixture of which each rank has half of every
  // expert. All-reduces are of 2 x 1000 x 2 = 4,000 B: 10 + 4 = 14 us.
  // embedding  2 tokens x 4,000 B                                   1.008
  // attention  5 us + 1,200,000 + 29,600 + 2 x (4,000 + 800) B      6.239200, twice
  // dense      4 us + norm 16,000, up 2 x 500 x 1000 + 6,000,
  //            activation 3,000, down 2 x 1000 x 250 + 5,000 B      5.530000
  // router     3 us + norm 16,000, GEMM 8,000 + 4,016, choice 64    3.028080
  // experts    6 us + 4 x 3 x 1000 x 250 x 2 B, 2 tokens in and out
  //            2 x 2 x 2,000 B                                     12.008000
  // 34.052480 and 5 all-reduces of 14.
  const auto d = hand_deployment(hand_model({layer_of(hand_attention(), hand_dense()),
                                             layer_of(hand_attention(), hand_moe())}),
                                 {.tp = 2, .etp = 2});
  CHECK(time_of(d, on_every_rank({decoding(2, 10)})) == 104'052'480_ps);
}

TEST_CASE("tp ranks with experts of their own route half of the tokens each") {
  // Token 0 is routed by rank 0 and goes to experts 0 and 2, token 1 by rank 1 to 1 and 3; rank 0
  // has experts 0 and 1: a message of 2,016 B each way.
  // embedding 1.008, all-reduce 14                                       15.008000
  // attention 6.2392, reduce-scatter of 4,000 B 30 + 2                   53.247200
  // router    of 1 token: 3 us + 8,000 + 8,000 + 2,008 + 32 B            56.265240
  // dispatch  10 + 2.016                                                 68.281240
  // experts   3 us + 2 x 3,000,000 + 2 rows x 4,000 B: 9.008             77.289240
  // combine   10 + 2                                                     89.289240
  // all-gather of 4,000 B 20 + 2                                        111.289240
  const auto d =
      hand_deployment(hand_model({layer_of(hand_attention(), hand_moe())}), {.tp = 2, .ep = 2});
  CHECK(time_of(d, on_every_rank({decoding(2, 10)})) == 111'289'240_ps);
}

TEST_CASE("an engine that keeps all tokens on every tp rank adds up what its experts give") {
  // As above in such an engine: token 0 goes to experts 0 and 2, token 1 to 1 and 3, so that either
  // rank has a row for each of its two experts.
  // embedding 1.008, all-reduce 14                                       15.008000
  // attention 6.2392, all-reduce 14                                      35.247200
  // router    of 2 tokens, as of ranks that share everything: 3.02808    38.275280
  // experts   6 us + 2 x 3 x 1000 x 500 x 2 B, 2 tokens in and out       50.283280
  // all-reduce 14                                                        64.283280
  auto d =
      hand_deployment(hand_model({layer_of(hand_attention(), hand_moe())}), {.tp = 2, .ep = 2});
  d.engine.composition.experts_in_tensor_group = ExpertsInTensorGroup::Replicated;
  CHECK(time_of(d, on_every_rank({decoding(2, 10)})) == 64'283'280_ps);
}

TEST_CASE("tp ranks may add up by a reduce-scatter and an all-gather") {
  // As tp ranks that share everything, 104.05248; four of its five all-reduces of 14 (not the
  // embedding's) are a reduce-scatter, 30 + 2, and an all-gather, 20 + 2: 40 more each.
  auto d = hand_deployment(hand_model({layer_of(hand_attention(), hand_dense()),
                                       layer_of(hand_attention(), hand_moe())}),
                           {.tp = 2, .etp = 2});
  d.engine.composition.tensor_parallel = TensorParallel::ReduceScatter;
  CHECK(time_of(d, on_every_rank({decoding(2, 10)})) == 264'052'480_ps);
}

TEST_CASE("a dense layer between mixtures whose ranks route for themselves ends in an all-reduce") {
  // As above up to the all-reduce, 15.008; attention 6.2392 and, before a dense network, an
  // all-reduce of 14; dense 5.53 and 14.
  const auto d = hand_deployment(
      hand_model({layer_of(hand_attention(), hand_dense()), layer_of(NoMixer{}, hand_moe())}),
      {.tp = 2, .ep = 2});
  // The mixture follows without attention: router 3.01804, 12.016, 9.008, 12, 22.
  CHECK(time_of(d, on_every_rank({decoding(2, 10)})) ==
        15'008'000_ps + 6'239'200_ps + 14us + 5'530'000_ps + 14us + 3'018'040_ps + 12'016'000_ps +
            9'008'000_ps + 12us + 22us);
}

TEST_CASE("ranks that share an expert gather its rows before it and scatter results after") {
  // tp 2 x dp 2 = etp 2 x ep 2: ranks 0 and 1 share experts 0 and 1, ranks 2 and 3 the others. Two
  // tokens a dp rank, one for each rank to route; tokens 0 and 1 are those of the group {0, 2},
  // 2 and 3 of {1, 3}. Each has one expert here and one there: a message of 2,016 B each way, and
  // 4 rows for the two ranks of every expert together: 4 x 2,000 = 8,000 B.
  // embedding 1.008, all-reduce 14                                       15.008000
  // router 3.01804                                                       18.026040
  // dispatch 10 + 2.016                                                  30.042040
  // rows all-gather 20 + 4                                               54.042040
  // experts 3 us + 2 x 3 x 1000 x 250 x 2 + 4 rows x 4,000 B: 6.016      60.058040
  // rows reduce-scatter 30 + 4                                           94.058040
  // combine 10 + 2                                                      106.058040
  // tokens all-gather of 4,000 B 20 + 2                                 128.058040
  const auto d = hand_deployment(hand_model(), {.tp = 2, .dp = 2, .ep = 2, .etp = 2});
  CHECK(time_of(d, on_every_rank({decoding(2, 10)})) == 128'058'040_ps);
}

TEST_CASE("ranks that each have a part of every expert gather tokens, not rows, where engines do") {
  // dp 2 = etp 2, ep 1, two tokens a rank, each with two experts: 4 tokens, 8 rows.
  // Rows: all-gather of 8 x 2,000 B 20 + 8, experts read and write 8 x 2,000 B, reduce-scatter
  // 30 + 8. Tokens: of 4 x 2,000 B 20 + 4 and 30 + 4, and 8,000 B less into the experts and out
  // of them, 0.016.
  auto d = hand_deployment(hand_model(), {.dp = 2, .etp = 2});
  const Batch batch = on_every_rank({decoding(2, 10)});
  const auto rows = time_of(d, batch);
  d.engine.composition.experts_in_tensor_group = ExpertsInTensorGroup::Replicated;
  CHECK(rows - time_of(d, batch) == 2 * 4us + 16'000_ps);
  // Where experts are divided among groups, too, each choice is sent.
  auto divided = hand_deployment(hand_model(), {.tp = 2, .dp = 2, .ep = 2, .etp = 2});
  const auto sent = time_of(divided, batch);
  divided.engine.composition.experts_in_tensor_group = ExpertsInTensorGroup::Replicated;
  CHECK(time_of(divided, batch) == sent);
}

TEST_CASE("rows of experts in a narrower width are gathered in that width") {
  // As above with experts in 100 numbers, which the router projects to and back: messages of
  // 200 + 16 B, 4 rows of 200 B.
  // embedding, all-reduce                                                15.008000
  // router    3.01804 + 2 us + 2 x (2 x 100 x 1000 + 2 x 1,100) B: 2.4044 20.430440
  // dispatch  10 + 0.216                                                 30.646440
  // rows all-gather of 800 B 20 + 0.4                                    51.046440
  // experts   3 us + 2 x 3 x 100 x 250 x 2 + 4 x 400 B: 3.3016           54.348040
  // rows reduce-scatter 30 + 0.4                                         84.748040
  // combine   10 + 0.2                                                   94.948040
  // tokens all-gather 22                                                116.948040
  MoeFfn moe = hand_moe();
  moe.latent = 100;
  const auto d = hand_deployment(hand_model({layer_of(NoMixer{}, moe)}),
                                 {.tp = 2, .dp = 2, .ep = 2, .etp = 2});
  CHECK(time_of(d, on_every_rank({decoding(2, 10)})) == 116'948'040_ps);
}

TEST_CASE("experts that no all-to-all serves were priced by the all-to-all that was named") {
  // tp 2 = etp 2, ep 1: nothing is dispatched, and each rank's experts read the 2 tokens once,
  // whichever kernels would move them elsewhere. Low latency, which counts no tokens, had them
  // read for each of their choices, 4 x 4,000 B.
  auto d = hand_deployment(hand_model(), {.tp = 2, .etp = 2});
  const Batch batch = on_every_rank({decoding(2, 10)});
  for (const auto tokens :
       {hardware::MulticastAlgorithm::Nccl, hardware::MulticastAlgorithm::AllGather,
        hardware::MulticastAlgorithm::DeepEpNormal, hardware::MulticastAlgorithm::HybridEp,
        hardware::MulticastAlgorithm::DeepEpLowLatency}) {
    d.tokens = tokens;
    // embedding 1.008 + 14, router 3.02808, experts 12.008, all-reduce 14.
    CHECK(time_of(d, batch) == 44'044'080_ps);
  }
}

TEST_CASE("logits are gathered over the tp ranks that each have a part of the vocabulary") {
  // No layers' work but the head's: of 3 rows norm 24,000, GEMM 2 x 50 x 1000 + 3 x 2,100 B,
  // 2 us: 2.1303; all-gather of 3 x 100 x 2 = 600 B: 20 + 0.3. Before it the embedding
  // 1.012 and its all-reduce of 6,000 B: 10 + 6.
  ModelSpec model = hand_model({layer_of(NoMixer{}, NoFfn{})});
  model.head = true;
  const auto d = hand_deployment(model, {.tp = 2, .etp = 2});
  CHECK(time_of(d, on_every_rank({decoding(3, 10)})) ==
        1'012'000_ps + 16us + 2'130'300_ps + 20'300'000_ps);
}
