// Token mixers worked out by hand: a kernel takes 1 us and 1 ps a byte.
#include <doctest/doctest.h>

#include <algorithm>

#include "hardware/device.h"
#include "tests/workloads/step/hand_scenario.h"
#include "workloads/step/layer_work.h"

using namespace moesim;
using namespace moesim::workloads;
using namespace moesim::testing;

namespace {

struct Hand {
  hardware::Kernels kernels{hand_device(),
                            {.gemm = "roofline", .moe = "roofline", .attention = "roofline"}};
  ModelSpec model = hand_model();
  LayerPricing pricing(std::int64_t tp = 1) const {
    return {.kernels = kernels, .model = model, .precision = {}, .tp = tp};
  }
};

LayerKind layer_of(const GqaAttention& attention) {
  return {.name = "layer", .mixer = attention, .ffn = NoFfn{}, .cross = {}};
}

// 3 sequences, each a new token after 9.
const RankBatch kBatch{{.sequences = 3, .kv_length = 10}};

}  // namespace

TEST_CASE("the norm of queries and keys was in no step") {
  const Hand hand;
  GqaAttention attention{.heads = 8, .kv_heads = 4, .head_dim = 64};
  const Work without = hand.pricing().mixer(layer_of(attention), kBatch);
  attention.qk_norm = QkNorm::PerHead;
  const Work with = hand.pricing().mixer(layer_of(attention), kBatch);
  // 3 tokens of 8 + 4 heads of 64 numbers, read and written: 2 x 3 x 12 x 64 x 2 B = 9,216 B.
  CHECK(with.bytes - without.bytes == sim::Bytes(9216));
  CHECK(with.time - without.time == 1us + sim::Duration(9216));
  CHECK(with.launches == without.launches + 1);
  CHECK(hand.pricing(4).norm_sums(layer_of(attention), 3) == sim::Bytes{});
}

TEST_CASE("a norm over all heads adds up its squares over the ranks that share them") {
  const Hand hand;
  GqaAttention attention{.heads = 8, .kv_heads = 4, .head_dim = 64};
  const auto norm = [&](std::int64_t tp) {
    attention.qk_norm = QkNorm::None;
    const Work without = hand.pricing(tp).mixer(layer_of(attention), kBatch);
    attention.qk_norm = QkNorm::PerLayer;
    return hand.pricing(tp).mixer(layer_of(attention), kBatch).time - without.time;
  };
  CHECK(norm(1) == 1us + sim::Duration(9216));
  // Of 2 + 1 heads on each of four ranks: a launch that reads 3 x 3 x 64 x 2 B = 1,152 B, another
  // that reads and writes them.
  CHECK(norm(4) == 2us + sim::Duration(3 * 1152));
  // And a number in fp32 for the queries and one for the keys of each token.
  CHECK(hand.pricing(4).norm_sums(layer_of(attention), 3) == sim::Bytes(24));
  CHECK(hand.pricing(1).norm_sums(layer_of(attention), 3) == sim::Bytes{});
  attention.reuses_cache = true;
  CHECK(hand.pricing(4).norm_sums(layer_of(attention), 3) == sim::Bytes(12));
}

TEST_CASE("the gate on attention's result was in no step") {
  const Hand hand;
  // hidden 1000, tp 2: of each rank 4 heads of 64 and 256 numbers of gate.
  GqaAttention attention{.heads = 8, .kv_heads = 4, .head_dim = 64};
  const Work without = hand.pricing(2).mixer(layer_of(attention), kBatch);
  attention.output_gate = 512;
  const Work with = hand.pricing(2).mixer(layer_of(attention), kBatch);
  // Its columns in the projection: weights 1000 x 256 and 3 x 256 results, 2 B each: 513,536 B.
  // Beside it a launch: result read and written, gate read, 3 x 3 x 256 x 2 = 4,608 B.
  CHECK(with.time - without.time == 1us + sim::Duration(513'536 + 4608));

  // Latent attention's is a projection of its own: as many bytes, and the 3 x 1000 x 2 B read.
  MlaAttention latent{.heads = 4,
                      .q_lora_rank = 0,
                      .kv_lora_rank = 512,
                      .nope_dim = 128,
                      .rope_dim = 64,
                      .value_dim = 128,
                      .index = {}};
  const LayerKind plain{.name = "layer", .mixer = latent, .ffn = NoFfn{}, .cross = {}};
  latent.output_gate = true;
  const LayerKind gated{.name = "layer", .mixer = latent, .ffn = NoFfn{}, .cross = {}};
  CHECK(hand.pricing(2).mixer(gated, kBatch).time - hand.pricing(2).mixer(plain, kBatch).time ==
        2us + sim::Duration(513'536 + 6000 + 4608));
}

TEST_CASE("one new token after nothing is decoded by the kernels of decode") {
  const Hand hand;
  const Work work = hand.pricing().mixer(layer_of({.heads = 8, .kv_heads = 4, .head_dim = 64}),
                                         {{.sequences = 3, .kv_length = 1}});
  CHECK(std::ranges::any_of(work.priced, [](const PricedTime& part) {
    return part.use->kind == "generation_attention";
  }));
  CHECK(std::ranges::none_of(
      work.priced, [](const PricedTime& part) { return part.use->kind == "context_attention"; }));
}

TEST_CASE("an indexer reads its keys once for all heads, whatever attention's kernels do") {
  // TensorRT-LLM's decode reads the keys anew for each head where more than 32 share them.
  const hardware::Kernels kernels{hardware::load_device("configs/devices/h100.yaml"),
                                  {.gemm = "trtllm", .moe = "trtllm", .attention = "trtllm"}};
  const ModelSpec model = hand_model();
  const LayerPricing pricing{.kernels = kernels, .model = model, .precision = {}};
  const RankBatch batch{{.sequences = 8, .kv_length = 65'536}};
  const auto time = [&](std::int64_t heads) {
    MlaAttention latent{.heads = 128,
                        .q_lora_rank = 1536,
                        .kv_lora_rank = 512,
                        .nope_dim = 128,
                        .rope_dim = 64,
                        .value_dim = 128,
                        .index = {.heads = heads, .head_dim = 128, .top_k = 2048}};
    return pricing.mixer({.name = "layer", .mixer = latent, .ffn = NoFfn{}, .cross = {}}, batch)
        .time;
  };
  CHECK(time(64) > time(32));
  CHECK(time(64) < 2 * time(32));  // it was eleven times as long
}
