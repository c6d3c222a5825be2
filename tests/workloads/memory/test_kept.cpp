// What a layer keeps, by the kinds of its mixer and FFN.
#include "workloads/memory/kept.h"

#include <doctest/doctest.h>

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
