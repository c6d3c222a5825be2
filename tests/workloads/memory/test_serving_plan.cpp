#include <doctest/doctest.h>

#include "hardware/device.h"
#include "workloads/memory/serving_plan.h"

using namespace moesim;
using namespace moesim::workloads;
using hardware::Precision;

namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;

// A device whose allocator hands out single bytes.
hardware::Device plain(std::int64_t capacity) {
  hardware::Device device;
  device.memory = sim::Bytes(capacity);
  device.allocation_granularity = sim::Bytes(1);
  return device;
}

ServingOptions in(const ModelSpec& model, Precision weights) {
  ServingOptions options;
  options.formats = precision_of_weights(model, weights);
  options.page_tokens = 1;
  return options;
}

// Hidden 8, four mixtures of 4 experts of width 6, two key-value heads of 2.
ModelSpec small() {
  ModelSpec model;
  model.name = "small";
  model.hidden = 8;
  model.vocab = 10;
  LayerKind kind;
  kind.name = "moe";
  kind.mixer = GqaAttention{.heads = 4, .kv_heads = 2, .head_dim = 2};
  MoeFfn moe;
  moe.experts = 4;
  moe.top_k = 2;
  moe.inter = 6;
  kind.ffn = moe;
  model.kinds = {kind};
  model.layers = {0, 0, 0, 0};
  return model;
}

}  // namespace

TEST_CASE("each GPU holds its share of every part") {
  // tp 2, dp 1 -> ep 2: attention q and o 2 x 64 / 2, k and v 2 x 32 / 2: 96 a layer in bf16 is 192
  // bytes; four layers 768. Experts: 2 of 4, 3 x 8 x 6 each, 288 numbers a layer: 4 x 576 bytes.
  // Embedding and head: 5 of 10 rows of 8: 80 bytes each.
  // Other: router 8 x 4 and norms 16, a layer, and the last norm 8: (4 x 48 + 8) x 2.
  const ModelSpec model = small();
  const Parallelism layout{.tp = 2, .ep = 2};
  const MemoryPlan plan =
      plan_serving(model, layout, in(model, Precision::BF16), {}, plain(1 << 20));
  CHECK(plan.gpu().attention == 768);
  CHECK(plan.gpu().experts == 4 * 576);
  CHECK(plan.gpu().embedding == 160);
  CHECK(plan.gpu().other_weights == (4 * 48 + 8) * 2);
  CHECK(plan.gpu().weights() == 768 + 2304 + 160 + 400);
}

TEST_CASE("a key-value head is never cut") {
  // Over tp 4 each rank still holds one of the two heads: k and v 8 x 2 x 2 numbers, q and o a
  // quarter.
  const ModelSpec model = small();
  const MemoryPlan plan = plan_serving(model, {.tp = 4}, in(model, Precision::BF16),
                                       {.sequences = 3, .context = 5}, plain(1 << 20));
  CHECK(plan.gpu().attention == 4 * 2 * (2 * 64 / 4 + 2 * 8 * 2));
  // 3 sequences of 5 tokens: 2 x 2 numbers of 2 bytes in each of four layers.
  CHECK(plan.gpu().kv_cache == 3 * 5 * 4 * 4 * 2);
}

TEST_CASE("the first stage holds the embedding, the last the head") {
  const ModelSpec model = small();
  const MemoryPlan plan =
      plan_serving(model, {.pp = 2}, in(model, Precision::BF16), {}, plain(1 << 20));
  REQUIRE(plan.stages.size() == 2);
  CHECK(plan.stages[0].embedding == 160);
  CHECK(plan.stages[1].embedding == 160);
  CHECK(plan.stages[0].experts == plan.stages[1].experts);
  ModelSpec tied = small();
  tied.tied_embeddings = true;
  CHECK(plan_serving(tied, {}, in(tied, Precision::BF16), {}, plain(1 << 20)).gpu().embedding ==
        160);
}

TEST_CASE("redundant experts are held too, and fewer rows of the worst GPU need less") {
  const ModelSpec model = small();
  ServingOptions options = in(model, Precision::BF16);
  const MemoryPlan lean = plan_serving(model, {.dp = 2, .ep = 2}, options, {}, plain(1 << 20));
  options.redundant_experts = 2;
  const MemoryPlan plan = plan_serving(model, {.dp = 2, .ep = 2}, options, {}, plain(1 << 20));
  CHECK(plan.gpu().experts == lean.gpu().experts / 2 * 3);
  const auto peaks = peaks_under(model, {.dp = 2, .ep = 2}, options, {.step_tokens = 64},
                                 plain(1 << 20), {100, 200, 300});
  CHECK(peaks[0] < peaks[1]);
  CHECK(peaks[2] - peaks[1] == peaks[1] - peaks[0]);
}

TEST_CASE("the largest batch and context fit, and one more does not") {
  const ModelSpec model = small();
  const ServingOptions options = in(model, Precision::BF16);
  const hardware::Device device = plain(100'000);
  ServingLoad load{.context = 20};
  const std::int64_t batch = largest_batch(model, {}, options, load, device);
  load.sequences = load.step_tokens = load.logits = batch;
  CHECK(plan_serving(model, {}, options, load, device).fits());
  load.sequences = load.step_tokens = load.logits = batch + 1;
  CHECK_FALSE(plan_serving(model, {}, options, load, device).fits());

  load = {.sequences = 4, .step_tokens = 4, .logits = 4};
  load.context = largest_context(model, {}, options, load, device);
  CHECK(plan_serving(model, {}, options, load, device).headroom() >= 0);
  ++load.context;
  CHECK(plan_serving(model, {}, options, load, device).headroom() < 0);
  CHECK(largest_batch(model, {}, options, load, plain(1000)) == 0);
}

TEST_CASE("vLLM loads Llama 3 8B into 14.96 GiB, and 7.48 GiB on each of two GPUs") {
  // Source: vllm-project/vllm pull request 10511. Norms are held twice, so half is not quite half.
  const ModelSpec model = load_model("configs/models/llama-3-8b.yaml");
  const ServingOptions options = in(model, Precision::BF16);
  const auto weights = [&](std::int64_t tp) {
    return static_cast<double>(plan_serving(model, {.tp = tp}, options, {}, plain(80'000'000'000))
                                   .gpu()
                                   .weights()) /
           kGiB;
  };
  CHECK(weights(1) == doctest::Approx(14.96).epsilon(0.001));
  CHECK(weights(2) == doctest::Approx(7.48).epsilon(0.001));
}

TEST_CASE("SGLang's 367404 tokens of Qwen3-235B over four GPUs take 16.46 GiB of each") {
  // Source: vllm-project/vllm issue 21348: K 8.23 and V 8.23 GiB. One head a GPU, 94 layers.
  const ModelSpec model = load_model("configs/models/qwen3-235b-a22b.yaml");
  ServingOptions options = in(model, Precision::FP8);
  const MemoryPlan plan = plan_serving(model, {.tp = 4, .etp = 4}, options,
                                       {.sequences = 1, .context = 367'404}, plain(1));
  CHECK(static_cast<double>(plan.gpu().kv_cache) / kGiB == doctest::Approx(16.46).epsilon(0.01));
  CHECK_FALSE(plan.fits());
}
