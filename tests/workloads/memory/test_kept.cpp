// What a layer keeps, by the kinds of its mixer and FFN.
#include "workloads/memory/kept.h"

#include <doctest/doctest.h>

#include "workloads/memory/kept_for_weights.h"

using namespace moesim::workloads;

TEST_CASE("a key-value head is never cut, a latent is held by all, a state goes with the heads") {
  // 8 heads on 16 ranks: each holds one.
  const Mixer grouped = GqaAttention{.heads = 32, .kv_heads = 8, .head_dim = 128};
  CHECK(cache_share(grouped, 16) == 1.0 / 8);
  CHECK(kv_weight_share(grouped, 16) == 1.0 / 8);
  // 8 heads on 3 ranks: one holds three.
  CHECK(cache_share(grouped, 3) == 3.0 / 8);
  CHECK(cache_share(MlaAttention{.heads = 128, .index = {}}, 8) == 1);
  CHECK(kv_weight_share(MlaAttention{.heads = 128, .index = {}}, 8) == 1.0 / 8);
  CHECK(cache_share(CompressedAttention{.heads = 64, .index = {}}, 8) == 1);
  CHECK(cache_share(LinearAttention{}, 8) == 1.0 / 8);
  CHECK(cache_share(MambaMixer{}, 8) == 1.0 / 8);
  CHECK(cache_share(LstmMixer{}, 8) == 1.0 / 8);
}

TEST_CASE("what is alive within a mixer is divided over tp but for what all ranks hold") {
  CHECK(alive_in_mixer(NoMixer{}, 8) == 0);
  // Queries and result, 4,096 each, over 16; keys and values, 1,024 each, an eighth of them.
  CHECK(alive_in_mixer(GqaAttention{.heads = 32, .kv_heads = 8, .head_dim = 128}, 16) == 512 + 256);
  // 128 heads of 192 queries and keys, 128 values and results, over 8; latents of 1,536 and 576.
  CHECK(alive_in_mixer(MlaAttention{.heads = 128,
                                    .q_lora_rank = 1536,
                                    .kv_lora_rank = 512,
                                    .nope_dim = 128,
                                    .rope_dim = 64,
                                    .value_dim = 128,
                                    .index = {}},
                       8) == 10'240 + 2'112);
  CHECK(alive_in_mixer(LstmMixer{.units = 100}, 2) == 300);
}

TEST_CASE("a mixture keeps something for each row, and a layer of nothing keeps nothing") {
  LayerKind layer;
  layer.mixer = NoMixer{};
  layer.ffn = MoeFfn{.experts = 8, .top_k = 2, .inter = 1000, .router = {}};
  // A token: the FFN's input and its norm, 100 each, and 8 scores in fp32. A row: its input, and
  // half of three inner widths.
  const Kept kept = kept_for_backward(layer, 100, 2);
  CHECK(kept.divided == 200 + 16);
  CHECK(kept.norms == 100);
  CHECK(kept.token_rows == 2);
  CHECK(kept.row == 100 + 1500);
  CHECK(kept.row_act == 500);
  layer.ffn = NoFfn{};
  const Kept nothing = kept_for_backward(layer, 100, 2);
  CHECK(nothing.divided == 0);
  CHECK(nothing.token_rows == 0);
  CHECK(nothing.row == 0);
}

TEST_CASE("tokens go to other ranks' experts where there are some, in the experts' width") {
  CHECK(exchanged_by(NoFfn{}, 100).experts == 0);
  CHECK(exchanged_by(DenseFfn{.inter = 7}, 100).experts == 0);
  CHECK(exchanged_by(MoeFfn{.experts = 8, .router = {}}, 100).width == 100);
  CHECK(exchanged_by(MoeFfn{.experts = 8, .router = {}}, 100).experts == 8);
  CHECK(exchanged_by(MoeFfn{.experts = 8, .latent = 40, .router = {}}, 100).width == 40);
}

TEST_CASE("weights that are put off need what products read and the gradients of their results") {
  // Products of 100 wide: queries 4 x 10, keys and values 2 x 10 each, result 4 x 10.
  //   normed input 100, gradients 40 + 20 + 20, the result's product 40 and its gradient 100
  // Dense, two products up to 300: normed input 100, their gradients 600, what down reads 300, its
  // gradient 100.
  LayerKind layer;
  layer.mixer = GqaAttention{.heads = 4, .kv_heads = 2, .head_dim = 10};
  layer.ffn = DenseFfn{.inter = 300};
  CHECK(kept_for_weights(layer, 100, 1).divided == 320 + 1100);
  CHECK(kept_for_weights(layer, 100, 1).replicated == 0);
  // A GPT's layer: 32 bytes a token and number of the width (arXiv 2401.10241, table 1: M_W = 32
  // sbh).
  layer.mixer = GqaAttention{.heads = 10, .kv_heads = 10, .head_dim = 10};
  layer.ffn = DenseFfn{.inter = 400, .gated = false};
  CHECK(2 * kept_for_weights(layer, 100, 1).divided == 32 * 100);
  // Latents of 60, and 20 with 8 of rotary: read normed, 80, and their gradients, 88. Of 4 heads
  // queries of 16 + 8, keys of 16, values of 12, whose gradients are 208; what the result's product
  // reads, 48.
  layer.mixer = MlaAttention{.heads = 4,
                             .q_lora_rank = 60,
                             .kv_lora_rank = 20,
                             .nope_dim = 16,
                             .rope_dim = 8,
                             .value_dim = 12,
                             .index = {}};
  layer.ffn = NoFfn{};
  CHECK(kept_for_weights(layer, 100, 1).divided == 200 + 208 + 48);
  CHECK(kept_for_weights(layer, 100, 1).replicated == 168);
  // A mixture: the router reads 100, and its gradients are of 8 scores in fp32; a shared expert of
  // 50 has gradients of two products, what the third reads and its gradient. A row on one of two
  // ranks: 100 in, 3 x 500, a gradient of 100.
  layer.mixer = NoMixer{};
  layer.ffn = MoeFfn{.experts = 8,
                     .top_k = 2,
                     .inter = 1000,
                     .shared_experts = 1,
                     .shared_inter = 50,
                     .router = {}};
  const Kept kept = kept_for_weights(layer, 100, 2);
  CHECK(kept.divided == 100 + 16 + 150 + 100);
  CHECK(kept.token_rows == 2);
  CHECK(kept.row == 200 + 1500);
}

TEST_CASE("a share's weights that are put off need its ends' inputs and gradients, too") {
  // Two layers of 1,420 as above, 8 tokens over two context and two tensor ranks in 16 bits: each
  // 2 x 4 x 1,420 / 2.
  ModelSpec model;
  model.hidden = 100;
  model.vocab = 1000;
  LayerKind layer;
  layer.mixer = GqaAttention{.heads = 4, .kv_heads = 2, .head_dim = 10};
  layer.ffn = DenseFfn{.inter = 300};
  model.kinds = {layer};
  model.layers = {0, 0, 0};
  const Parallelism layout{.tp = 2, .cp = 2};
  const TrainingLoad load{.micro_batch = 2, .sequence = 4, .recompute = {}, .communication = {}};
  RankShare share{.layers = {{1, 3}}};
  CHECK(bytes_for_weights(model, layout, share, load) == 2 * 5680);
  // The embedding's gradient, 100 a token; the head's input and its logits' gradients.
  share.embedding = true;
  CHECK(bytes_for_weights(model, layout, share, load) == 2 * 5680 + 400);
  share.loss = true;
  CHECK(bytes_for_weights(model, layout, share, load) == 2 * 5680 + 400 + 4400);
}
