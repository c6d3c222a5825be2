// Every family of configs, by the numbers that its makers publish: the files in hf/ restate the
// keys of the public config.json that bear on shapes.
#include <doctest/doctest.h>

#include <string>

#include "workloads/model/counts.h"
#include "workloads/model/model_spec.h"

using namespace moesim;
using namespace moesim::workloads;
using hardware::Precision;

namespace {

ModelSpec config(const std::string& name) {
  return load_model("tests/workloads/model/hugging_face/configs/" + name + ".json");
}

}  // namespace

TEST_CASE("each family's config gives the total and active parameters of its model") {
  struct Case {
    const char* name;
    double total, active;  // billions; 0: not published
    double within;
    const char* source;
  };
  const Case cases[]{
      {"deepseek-v3.2", 671.9, 37, 0.013, "V3's 671 B and an indexer a layer"},
      {"deepseek-v4-flash", 284, 13, 0.022, "DeepSeek-V4-Flash model card: 284 B, 13 B active"},
      {"deepseek-v4-pro", 1600, 49, 0.02, "DeepSeek-V4-Pro model card: 1.6 T, 49 B active"},
      {"kimi-linear-48b", 49.1, 3, 0.04,
       "Kimi-Linear-48B-A3B model card: 48 B (49 B by its weights), 3 B"},
      {"kimi-k3", 2771, 0, 0.005, "92 x 896 x 3 x 3584 x 3072 = 2723 B of experts"},
      {"qwen3.5-397b", 397, 17, 0.021, "its name"},
      {"gemma-4-26b", 25.2, 3.8, 0.007, "Gemma 4 model card: 25.2 B, 3.8 B active"},
      {"nemotron-3-nano", 31.6, 3.2, 0.01, "Nemotron 3 Nano report: 31.6 B, 3.2 B active"},
      {"nemotron-3-super", 120.6, 12, 0.02, "Nemotron 3 Super model card: 120.6 B, 12 B active"},
      {"step-3.5-flash", 196.8, 11, 0.042, "Step-3.5-Flash model card: 196.81 B, 11 B active"},
      {"step-3.7-flash", 196.8, 11, 0.042, "the same shape"},
      {"mimo-v2-flash", 309, 15, 0.03, "MiMo-V2-Flash report: 309 B, 15 B active"},
      {"minimax-text-01", 456, 45.9, 0.001, "MiniMax-01 report: 456 B, 45.9 B active"},
      {"minimax-m3", 426, 0, 0.005, "57 x 128 x 3 x 6144 x 3072 = 413 B of experts"},
      {"glm-4.7", 355, 32, 0.016, "GLM-4.5 report: 355 B, 32 B active, the same shape"},
      {"dbrx", 132, 36, 0.014, "Databricks: 132 B, 36 B active"},
      {"grok-1", 314, 0, 0.005, "xAI: 314 B"},
      {"phi-3.5-moe", 41.9, 6.6, 0.007, "Phi-3.5-MoE model card: 41.9 B, 6.6 B active"},
      {"olmoe", 6.9, 1.3, 0.02, "OLMoE report: 6.9 B, 1.3 B active"},
      {"switch-base-128", 7.4, 0, 0.006, "google/switch-base-128: 7.4 B"},
      {"granite-3.0-1b", 1.33, 0.4, 0.08, "Granite 3.0 1B A400M"},
      {"granite-4.0-h-small", 32.2, 9, 0.023, "Granite 4.0 H Small model card: 32 B, 9 B active"},
      {"grok-2", 269.5, 115, 0.002, "xAI: 270 B, 115 B active (269.5 B by its weights)"},
      {"jamba-1.5-mini", 51.6, 12, 0.01, "Jamba 1.5 report: 51.6 B, 12 B active"},
      {"jamba-1.5-large", 398.6, 94, 0.002, "Jamba 1.5 report: 398 B (398.6 B), 94 B active"},
      {"hunyuan-a13b", 80.4, 13, 0.02, "Hunyuan-A13B model card: 80 B (80.4 B), 13 B active"},
      {"hunyuan-large", 389, 52, 0.014, "Hunyuan-Large report: 389 B, 52 B active"},
      {"step3", 316, 38, 0.003, "Step-3 report: 316 B of the language model, 38 B active"},
      {"dots.llm1", 142.8, 14, 0.002, "dots.llm1 report: 142 B (142.8 B), 14 B active"},
      {"longcat-flash", 560, 27, 0.006, "LongCat-Flash report: 560 B, 27 B active on average"},
      {"trinity-mini", 26.1, 3, 0.025, "Trinity Mini model card: 26 B, 3 B active"},
      {"trinity-large", 398, 13, 0.02, "Trinity Large model card: 398 B, 13 B active"},
      {"solar-open-100b", 102.6, 12, 0.006, "Solar Open model card: 102.6 B, 12 B active"},
      {"lfm2-8b-a1b", 8.34, 1.5, 0.04, "LFM2-8B-A1B model card: 8.3 B, 1.5 B active"},
      {"k-exaone-236b", 236, 23, 0.03, "K-EXAONE report: 236 B, 23 B active"},
      {"pangu-pro-moe", 72, 16, 0.032, "Pangu Pro MoE report: 72 B (71.99 B), 16 B active"},
      {"pangu-ultra-moe", 718, 39, 0.006, "Pangu Ultra MoE report: 718 B, 39 B active"},
      {"glm-4.7-flash", 29.9, 3, 0.09, "GLM-4.7-Flash: 30B-A3B"},
      {"deepseek-moe-16b", 16.4, 2.8, 0.011, "DeepSeekMoE report: 16.4 B, 2.8 B active"},
      {"moonlight", 15.96, 2.24, 0.002, "Moonlight report: 15.96 B, 2.24 B active"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CAPTURE(c.source);
    const HeadlineParams params = headline_params(config(c.name));
    CHECK(static_cast<double>(params.total) / 1e9 == doctest::Approx(c.total).epsilon(c.within));
    if (c.active > 0) {
      CHECK(static_cast<double>(params.active) / 1e9 ==
            doctest::Approx(c.active).epsilon(c.within));
    }
  }
}

TEST_CASE("configs and our own files of the same model agree to the parameter") {
  const auto ours = [](const char* name) {
    return count_params(load_model(std::string("configs/models/") + name + ".yaml"));
  };
  for (const auto& pair :
       {std::pair{"minimax-text-01", "minimax-text-01"},
        std::pair{"qwen3.5-397b", "qwen3.5-397b-a17b"},
        std::pair{"nemotron-3-nano", "nemotron-3-nano-30b-a3b"}, std::pair{"dbrx", "dbrx"},
        std::pair{"grok-1", "grok-1"}, std::pair{"phi-3.5-moe", "phi-3.5-moe"},
        std::pair{"olmoe", "olmoe-1b-7b"}, std::pair{"glm-4.7", "glm-4.5"},
        std::pair{"switch-base-128", "switch-base"},
        std::pair{"granite-3.0-1b", "granite-3.0-1b-a400m"}}) {
    CAPTURE(pair.second);
    const ModelParams a = count_params(config(pair.first)), b = ours(pair.second);
    CHECK(a.total() == b.total());
    CHECK(a.active() == b.active());
  }
}

TEST_CASE("Jamba caches the keys of one layer in eight and keeps a state in the others") {
  // 4 of 32 layers: 2 x 8 heads x 128 numbers of 16 bits. A state of 2 x 4096 channels x 16 numbers
  // of 32 bits, and three taps of 16 bits a channel, in each of the 28 others.
  const ModelSpec model = config("jamba-1.5-mini");
  CHECK(kv_bytes_per_token(model, Precision::BF16) == 4 * 2 * 8 * 128 * 2);
  CHECK(kv_bytes(model, Precision::BF16, 0) == 28 * (8192 * 16 * 4 + 3 * 8192 * 2));
  CHECK(model.moe_layers().size() == 16);
  REQUIRE(model.mixer<MambaMixer>(0) != nullptr);
  CHECK(model.mixer<MambaMixer>(0)->dt_rank == 256);
  CHECK(model.mixer<GqaAttention>(4) != nullptr);
}

TEST_CASE("cross-layer attention halves the cache") {
  // 32 of 64 layers have keys and values: 2 x 8 heads x 80 numbers of 16 bits.
  const ModelSpec model = config("hunyuan-large");
  CHECK(kv_bytes_per_token(model, Precision::BF16) == 32 * 2 * 8 * 80 * 2);
  CHECK_FALSE(model.mixer<GqaAttention>(0)->reuses_cache);
  CHECK(model.mixer<GqaAttention>(1)->reuses_cache);
}

TEST_CASE("Step-3's queries go through a rank of their own") {
  // 7168 x 2048 + 2048 x 64 x 256 for the queries, 2 x 7168 x 256 for one key and value head,
  // 64 x 256 x 7168 back, a norm of 2048.
  const ModelSpec model = config("step3");
  CHECK(layer_params(model.layer(0), model.hidden).mixer.total() ==
        7168 * 2048 + 2048 * 16384 + 2 * 7168 * 256 + 16384 * 7168 + 2048);
  CHECK(kv_bytes_per_token(model, Precision::BF16) == 61 * 2 * 256 * 2);
}

TEST_CASE("a LongCat layer is two of attention, a mixture with a dense branch and a dense FFN") {
  // 12 of 512 + 256 experts: 12 x 512 / 768 = 8 of those that do something. 56 latent caches.
  const ModelSpec model = config("longcat-flash");
  CHECK(model.layer_count() == 56);
  CHECK(model.moe_layers().size() == 28);
  CHECK(model.moe(0)->top_k == 8);
  CHECK(model.moe(0)->residual_inter == 12288);
  CHECK(kv_bytes_per_token(model, Precision::BF16) == 56 * 576 * 2);
  CHECK(model.notes.front() ==
        "zero experts: a token chooses 12 of 768, of which 256 do nothing; counted with the 8 real "
        "ones of the mean");
}

TEST_CASE("LFM2's convolutions cache nothing but their last inputs") {
  // 6 attention layers of 24: 2 x 8 heads x 64 numbers; 18 convolutions with two taps back.
  const ModelSpec model = config("lfm2-8b-a1b");
  CHECK(kv_bytes_per_token(model, Precision::BF16) == 6 * 2 * 8 * 64 * 2);
  CHECK(kv_bytes(model, Precision::BF16, 0) == 18 * 2 * 2048 * 2);
  // Two gates and an input, back, and three taps a channel.
  CHECK(layer_params(model.layer(0), model.hidden).mixer.total() == 4 * 2048 * 2048 + 3 * 2048);
}

TEST_CASE("a count that is written for each layer is one where they agree") {
  CHECK(config("hunyuan-a13b").moe(31)->top_k == 8);
}

TEST_CASE("Nemotron's layers are one block each, by letter") {
  const ModelSpec model = config("nemotron-3-nano");
  CHECK(model.layer_count() == 52);
  CHECK(model.moe_layers().size() == 23);
  CHECK(model.mixer<MambaMixer>(0) != nullptr);
  CHECK(model.moe(1)->gated == false);
  CHECK(model.mixer<GqaAttention>(5) != nullptr);
}

TEST_CASE("latent experts are dispatched in the latent width") {
  CHECK(config("nemotron-3-super").largest_moe()->dispatch_width(4096) == 1024);
  CHECK(config("kimi-k3").largest_moe()->dispatch_width(7168) == 3584);
  CHECK(config("kimi-linear-48b").largest_moe()->dispatch_width(2304) == 2304);
}

TEST_CASE("a checkpoint's parts are stored as its quantisation says") {
  const Formats v4 = config("deepseek-v4-pro").stored;
  CHECK(v4.experts == Precision::MXFP4);
  CHECK(v4.attention == Precision::FP8Block);
  const Formats k3 = config("kimi-k3").stored;
  CHECK(k3.experts == Precision::MXFP4);
  CHECK(k3.attention == Precision::BF16);
  CHECK(k3.shared_experts == Precision::BF16);
  CHECK(config("dbrx").stored.kv_cache == Precision::FP8);
  CHECK(config("mimo-v2-flash").stored.experts == Precision::FP8Block);
}

TEST_CASE("first layers that route by the token's id have no bias") {
  const ModelSpec model = config("deepseek-v4-flash");
  CHECK(model.moe(2)->router.kind == RouterKind::Hash);
  CHECK(model.moe(3)->router.kind == RouterKind::Sigmoid);
  CHECK(model.moe(3)->router.bias);
}

TEST_CASE("windows, linear layers and full layers alternate as the config says") {
  const ModelSpec gemma = config("gemma-4-26b");
  CHECK(gemma.mixer<GqaAttention>(0)->window == 1024);
  CHECK(gemma.mixer<GqaAttention>(5)->window == 0);
  CHECK(gemma.mixer<GqaAttention>(5)->key_is_value);
  CHECK(gemma.moe(0)->residual_inter == 2112);
  const ModelSpec qwen = config("qwen3.5-397b");
  CHECK(qwen.mixer<LinearAttention>(0) != nullptr);
  CHECK(qwen.mixer<GqaAttention>(3)->output_gate == 8192);
  const ModelSpec mimo = config("mimo-v2-flash");
  CHECK(mimo.mixer<GqaAttention>(0)->kv_heads == 4);
  CHECK(mimo.mixer<GqaAttention>(1)->kv_heads == 8);
  CHECK(mimo.mixer<GqaAttention>(1)->value_head() == 128);
  CHECK(mimo.moe(0) == nullptr);
  const ModelSpec kimi = config("kimi-linear-48b");
  CHECK(kimi.mixer<MlaAttention>(3) != nullptr);
  CHECK(kimi.mixer<LinearAttention>(2)->kind == LinearKind::KimiDelta);
}
