// Whether an engine starts at a fraction of the memory, and what its cache then holds.
#include "workloads/memory/engine_memory.h"

#include <doctest/doctest.h>

#include "tests/workloads/step/hand_scenario.h"
#include "workloads/deployment/engine_file.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

// 40 MB of weights on a card of 200 MB, granules of 2 MiB = 2,097,152 B: activations of one token
// take one, and a token's cache 2 x 2 heads x 100 x 2 B = 800 B.
struct Hand {
  hardware::Device device = hand_device();
  ModelSpec model = hand_model({layer_of(hand_attention(), NoFfn{})});
  Engine engine;
  EngineQuestion question{.step_tokens = 1, .context = 1000, .weights_loaded = 40_MB};

  Hand() {
    device.memory = 200_MB;
    engine.name = "An engine 1.0";
    engine.memory = EngineMemory{.fraction = 0.5, .block = 16};
  }
  EngineMemoryAnswer ask() const { return ask_engine(engine, model, {}, {}, question, device); }
};

Engine shipped(const std::string& name) {
  return load_engine(find_engine("configs/engines", name).file);
}

}  // namespace

TEST_CASE("a fraction of the card holds all that an engine takes, and the cache has the rest") {
  const EngineMemoryAnswer a = Hand().ask();
  CHECK(a.starts);
  CHECK(a.budget == 100'000'000);
  CHECK(a.gpu.weights() == 40'000'000);
  CHECK(a.for_cache == 100'000'000 - 40'000'000 - 2'097'152);  // 57,902,848
  CHECK(a.cache_tokens == 72'368);  // 57,902,848 / 800 = 72,378, in 4,523 blocks of 16
  // Allocated in granules: 27 of them, 56,623,104 B, hold 70,768 tokens in whole blocks, and 70
  // sequences of 1,008.
  CHECK(a.largest_context == 70'768);
  CHECK(a.largest_batch == 70);
  // One sequence's 806,400 B take a granule: 44,194,304 B of 200 MB are 0.22097.
  CHECK(a.least_fraction == 0.221);
  CHECK(a.why.empty());
}

TEST_CASE("where the fraction is of weights and cache, activations have the rest of the card") {
  Hand hand;
  hand.engine.memory->holds = FractionHolds::WeightsAndCache;
  const EngineMemoryAnswer a = hand.ask();
  CHECK(a.starts);
  CHECK(a.for_cache == 60'000'000);
  CHECK(a.cache_tokens == 74'992);  // 75,000 in blocks of 16
  // Of 0.995 of the card 1 MB is left, and activations take a granule.
  hand.question.fraction = 0.995;
  const EngineMemoryAnswer full = hand.ask();
  CHECK_FALSE(full.starts);
  CHECK(full.why ==
        "activations of 1 tokens and graphs take 2.097 MB, but 0.995 of the card leave 1 MB; a "
        "fraction of 0.211 would do");  // 40 MB and a granule of 200 MB: 0.2105
}

TEST_CASE("a fraction of what is free is the cache's") {
  Hand hand;
  hand.engine.memory->of = FractionOf::Free;
  const EngineMemoryAnswer a = hand.ask();
  CHECK(a.for_cache == (200'000'000 - 42'097'152) / 2);
  CHECK(a.cache_tokens == 98'688);  // 78,951,424 / 800 = 98,689
}

TEST_CASE("an engine that does not start says why, and from which fraction on it would") {
  Hand hand;
  hand.question.fraction = 0.2;
  const EngineMemoryAnswer weights = hand.ask();
  CHECK_FALSE(weights.starts);
  CHECK(weights.for_cache == 40'000'000 - 42'097'152);
  CHECK(weights.cache_tokens == 0);
  CHECK(weights.largest_batch == 0);
  CHECK(
      weights.why ==
      "weights and what stands beside them take 42.1 MB, the fraction 0.2 holds 40 MB; a fraction "
      "of 0.221 would do");
  // A sequence of 100,000 tokens takes 80 MB, 39 granules.
  hand.question.fraction = 0.5;
  hand.question.context = 100'000;
  CHECK(
      hand.ask().why ==
      "57.9 MB are left for the cache, one sequence of 100000 tokens takes 81.79 MB; a fraction of "
      "0.620 would do");
  hand.question.weights_loaded = 300_MB;
  CHECK(
      hand.ask().why ==
      "weights and what stands beside them take 302.1 MB, the fraction 0.5 holds 100 MB; no "
      "fraction would do: more ranks (tp, pp, ep), fewer bytes a weight, or a smaller token budget "
      "would");
}

TEST_CASE("a log's weights that are fewer than counted are fewer of every part") {
  Hand hand;
  hand.question.weights_loaded.reset();
  const GpuMemory counted = hand.ask().gpu;
  REQUIRE(counted.attention > 0);
  // Half of all: half of each part.
  hand.question.weights_loaded = sim::Bytes(counted.weights() / 2);
  const GpuMemory half = hand.ask().gpu;
  CHECK(half.weights() == counted.weights() / 2);
  CHECK(half.attention == counted.attention / 2);
  CHECK(half.other_weights == counted.other_weights / 2);
  // More is in no part that is counted.
  hand.question.weights_loaded = sim::Bytes(counted.weights() + 1000);
  CHECK(hand.ask().gpu.attention == counted.attention);
  CHECK(hand.ask().gpu.other_weights == counted.other_weights + 1000);
}

TEST_CASE("a budget of tokens for a pass has one at least for each sequence") {
  Hand hand;
  hand.engine.scheduler.emplace();
  hand.engine.scheduler->tokens = 2048;
  hand.engine.scheduler->sequences = 4096;
  hand.question.step_tokens.reset();
  hand.question.sequences = 2049;
  const EngineMemoryAnswer more = hand.ask();
  CHECK_FALSE(more.starts);
  CHECK(more.why ==
        "2049 sequences at once are more than the 2048 tokens of a pass; 2048 sequences or 2049 "
        "tokens would do");
  hand.question.sequences = 2048;
  CHECK(hand.ask().starts);
  // Where nothing is asked for, there are as many as the budget allows.
  hand.question.sequences.reset();
  CHECK(hand.ask().sequences == 2048);
  CHECK(hand.ask().starts);
  // SGLang's budget is of prompts alone.
  hand.engine.scheduler->chunk = 1024;
  hand.question.sequences = 4096;
  CHECK(hand.ask().starts);
}

TEST_CASE("an engine's answer comes with its own options and the line of its log") {
  constexpr hardware::Precision kBf16 = hardware::Precision::BF16;
  EngineMemoryAnswer a;
  a.fraction = 0.9;
  a.sequences = 64;
  a.step_tokens = 8192;
  a.block = 16;
  a.cache_tokens = 178'880;
  CHECK(flags_of(shipped("vllm-0.19"), {.tp = 4, .etp = 4}, a, 32768, kBf16) ==
        std::vector<std::string>{"--tensor-parallel-size 4", "--gpu-memory-utilization 0.9",
                                 "--max-model-len 32768", "--max-num-seqs 64",
                                 "--max-num-batched-tokens 8192", "--block-size 16"});
  CHECK(log_line(shipped("vllm-0.19"), a) == "GPU KV cache size: 178880 tokens");
  // SGLang's tp is of all ranks, attention's data parallel ones included.
  const auto sglang = flags_of(shipped("sglang-0.5.6"), {.tp = 2, .dp = 4, .ep = 8}, a, 0, kBf16);
  CHECK(std::find(sglang.begin(), sglang.end(), "--tp-size 8") != sglang.end());
  CHECK(std::find(sglang.begin(), sglang.end(), "--ep-size 8") != sglang.end());
  CHECK(std::find(sglang.begin(), sglang.end(), "--dp-size 4") != sglang.end());
  CHECK(std::find(sglang.begin(), sglang.end(), "--enable-dp-attention") != sglang.end());
  const auto has = [&](const Parallelism& layout, const char* flag,
                       hardware::Precision cache = hardware::Precision::BF16) {
    const auto flags = flags_of(shipped("vllm-0.19"), layout, a, 0, cache);
    return std::ranges::find(flags, flag) != flags.end();
  };
  CHECK(has({.dp = 8, .ep = 8}, "--data-parallel-size 8"));
  CHECK(has({.dp = 8, .ep = 8}, "--enable-expert-parallel"));
  CHECK(has({.dp = 8, .ep = 8}, "--kv-cache-dtype fp8", hardware::Precision::FP8));
  CHECK_FALSE(has({.dp = 8, .ep = 8}, "--kv-cache-dtype fp8"));
  // dp ranks that share no experts are eight engines, each without any of it.
  CHECK_FALSE(has({.dp = 8}, "--data-parallel-size 8"));
  CHECK_FALSE(has({.dp = 8}, "--enable-expert-parallel"));
  CHECK(engines_of({.dp = 8}) == 8);
  CHECK(engines_of({.dp = 8, .ep = 8}) == 1);
  CHECK(flags_of(Engine{}, {}, a, 0, kBf16).empty());
  CHECK(log_line(Engine{}, a).empty());
}

TEST_CASE("DeepSeek-V4-Pro at TP8 on eight H200 starts at 0.9113 of the card, not at 0.88") {
  // Its users' SGLang: 125.65 GiB of weights a GPU, attention whole on every rank. With what stands
  // beside it on every rank (shared experts, embedding, head) and its prediction layer we count
  // 123.7.
  const ModelSpec v4 =
      load_model("tests/workloads/model/hugging_face/configs/deepseek-v4-pro.json");
  const hardware::Device h200 = hardware::load_device("configs/devices/h200.yaml");
  const Engine sglang = shipped("sglang-0.5.6");
  ServingOptions options;
  options.formats = v4.stored;
  options.prediction = true;
  options.whole = {.attention = true, .shared_experts = true, .embedding = true};
  EngineQuestion question{.fraction = 0.88, .step_tokens = 8192};
  const Parallelism tp8{.tp = 8, .etp = 8};
  const EngineMemoryAnswer small = ask_engine(sglang, v4, tp8, options, question, h200);
  CHECK(static_cast<double>(small.gpu.weights()) ==
        doctest::Approx(125.65 * 1073741824).epsilon(0.03));
  CHECK_FALSE(small.starts);
  question.fraction = 0.9113;
  CHECK(ask_engine(sglang, v4, tp8, options, question, h200).starts);
  // With the weights that the log tells.
  question.weights_loaded = sim::Bytes(static_cast<std::int64_t>(125.65 * 1073741824));
  CHECK(ask_engine(sglang, v4, tp8, options, question, h200).starts);
  question.fraction = 0.88;
  CHECK_FALSE(ask_engine(sglang, v4, tp8, options, question, h200).starts);
  // Divided over tp as other models' attention is, it would fit by far.
  options.whole = {};
  question.weights_loaded.reset();
  CHECK(ask_engine(sglang, v4, tp8, options, question, h200).starts);
}
