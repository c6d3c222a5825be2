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
  return load_model("tests/workloads/model/hf/" + name + ".json");
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
  const StoredPrecision v4 = config("deepseek-v4-pro").stored;
  CHECK(v4.experts == Precision::MXFP4);
  CHECK(v4.attention == Precision::FP8Block);
  const StoredPrecision k3 = config("kimi-k3").stored;
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
