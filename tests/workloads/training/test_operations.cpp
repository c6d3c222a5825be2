#include "workloads/training/operations.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

struct Hand {
  hardware::Device device = hand_device();
  hardware::Kernels kernels{device, {"roofline", "roofline", "roofline"}};
  hardware::TrainingAttention cores{device};
  hardware::GroupedProducts grouped{device, "transformer_engine"};
  ModelSpec model = hand_model();
  OperationPricing pricing{kernels, cores, grouped, model, {}};
};

}  // namespace

TEST_CASE("a dense layer's gradients take what their own products do") {
  // 10 tokens of 1,000, 500 wide. 1 us a launch, 1 ps a byte:
  //           forward             input's gradient    weight's gradient (8 n k bytes more, less 2)
  //   norm    80,000 B    1.080   120,000     1.120
  //   up      2,040,000   3.040   2,040,000   3.040   2,040,000 + 6,000,000   9.040
  //   act     30,000      1.030   50,000      1.050
  //   down    1,030,000   2.030   1,030,000   2.030   1,030,000 + 3,000,000   5.030
  const Hand hand;
  const Operations ops = hand.pricing.dense(hand_dense(), 10);
  const Sums sums = sums_of(ops, {});
  CHECK(sums.forward.time == 7'180'000_ps);
  CHECK(sums.input.time == 7'240'000_ps);
  CHECK(sums.weight.time == 14'070'000_ps);
  // The same arithmetic three times: 2 x 10 x (1,000,000 + 500,000).
  CHECK(sums.forward.flops.count() == 30e6);
  CHECK(sums.input.flops.count() == 30e6);
  CHECK(sums.weight.flops.count() == 30e6);
}

TEST_CASE("recomputation adds its modules' forward to the backward pass and nothing else") {
  // As above: up, activation and down 6.1 us, norm 1.08 us.
  const Hand hand;
  const Operations ops = hand.pricing.dense(hand_dense(), 10);
  const auto input = [&](const Recompute& recompute) { return sums_of(ops, recompute).input.time; };
  CHECK(input({.mlp = true}) == (7'240'000_ps + 6'100'000_ps));
  CHECK(input({.layernorm = true}) == (7'240'000_ps + 1'080'000_ps));
  CHECK(input({.full = true}) == (7'240'000_ps + 7'180'000_ps));
  CHECK(input({.moe = true, .moe_act = true}) == 7'240'000_ps);
  CHECK(sums_of(ops, {.full = true}).weight.time == 14'070'000_ps);
}

TEST_CASE("each module is recomputed by its own name") {
  using enum Module;
  const std::vector<std::pair<Module, Recompute>> own{
      {Norm, {.layernorm = true}}, {UpProjection, {.mla_up_proj = true}},
      {Core, {.core_attn = true}}, {Activation, {.moe_act = true}},
      {Dense, {.mlp = true}},      {Shared, {.shared_experts = true}},
      {Router, {.moe = true}},     {Permute, {.moe = true}},
      {Expert, {.moe = true}},
  };
  for (const auto& [module, recompute] : own) {
    const int number = static_cast<int>(module);
    CAPTURE(number);
    CHECK(is_recomputed(module, recompute));
    CHECK_FALSE(is_recomputed(module, {}));
    CHECK(is_recomputed(module, {.full = true}));
    for (const auto& [other, of_other] : own) {
      // `moe` takes activation and shared experts, too.
      const bool of_moe = recompute.moe || module == Activation || module == Shared;
      if (other != module && !(of_moe && of_other.moe))
        CHECK_FALSE(is_recomputed(module, of_other));
    }
  }
  CHECK(is_recomputed(Activation, {.moe = true}));
  CHECK(is_recomputed(Shared, {.moe = true}));
  CHECK_FALSE(is_recomputed(Projection, {.moe = true, .mlp = true}));
}

TEST_CASE("products below 16 bits cast what the weights' gradient reads") {
  // 16 tokens, 1,000 to 4,000 numbers, one matrix: 3 bytes a number of x forward, of dy backward,
  // beside the GEMM's own price.
  const Hand hand;
  Formats fp8;
  fp8.dense_ffn = hardware::Precision::FP8;
  const OperationPricing low{hand.kernels, hand.cores, hand.grouped, hand.model, fp8};
  const hardware::GemmShape shape{
      .m = 16, .n = 4000, .k = 1000, .precision = hardware::Precision::FP8};
  const hardware::GemmShape input{
      .m = 16, .n = 1000, .k = 4000, .precision = hardware::Precision::FP8};
  const Operations ops = low.dense({.inter = 2000}, 16);
  const Operation& up = ops[1];
  CHECK(up.forward.time == hand.kernels.gemm(shape).time + 1us + sim::Duration(3 * 16 * 1000));
  CHECK(up.input.time == hand.kernels.gemm(input).time + 1us + sim::Duration(3 * 16 * 4000));
}

TEST_CASE("experts in 8 bits have rows by sixteens, DeepGEMM's by 128") {
  const Hand hand;
  Formats fp8;
  fp8.experts = hardware::Precision::FP8Block;
  CHECK(aligned_to({.gemm = "trtllm"}, {}) == 1);
  CHECK(aligned_to({.gemm = "deepgemm"}, {}) == 1);
  CHECK(aligned_to({.gemm = "trtllm"}, fp8) == 16);
  CHECK(aligned_to({.gemm = "deepgemm"}, fp8) == 128);
  CHECK(filled_up(0, 16) == 0);
  CHECK(filled_up(1, 16) == 16);
  CHECK(filled_up(16, 16) == 16);
  CHECK(filled_up(17, 16) == 32);
  CHECK(filled_up(17, 1) == 17);
  // Products and what is between them: 5 and 100 rows are 128 each.
  OperationPricing low{hand.kernels, hand.cores, hand.grouped, hand.model, fp8};
  low.aligned = 128;
  const std::array<std::int64_t, 3> some{5, 0, 100}, full{128, 0, 128}, less{128, 0, 127};
  const auto time = [](const OperationPricing& pricing, std::span<const std::int64_t> rows) {
    const Sums sums = sums_of(pricing.experts(hand_moe(), rows), {});
    return sums.forward.time + sums.input.time + sums.weight.time;
  };
  CHECK(time(low, some) == time(low, full));
  CHECK(time(low, less) == time(low, full));
  CHECK(time(hand.pricing, less) < time(hand.pricing, full));
}

TEST_CASE("experts without rows cost nothing") {
  const Hand hand;
  const std::array<std::int64_t, 3> rows{5, 0, 0};
  const std::array<std::int64_t, 1> alone{5};
  const MoeFfn moe = hand_moe();
  CHECK(sums_of(hand.pricing.experts(moe, rows), {}).weight.time ==
        sums_of(hand.pricing.experts(moe, alone), {}).weight.time);
}

TEST_CASE("attention's backward holds the core's own and a product each for inputs and weights") {
  // 4 heads of 100, 2 of keys and values, one sequence of 8: products 800 <- 1,000 and
  // 1,000 <- 400. Weights' gradients: 8 x (800,000 + 400,000) + 2 x 8 x (1,800 + 1,400) bytes.
  const Hand hand;
  const Operations ops = hand.pricing.mixer(hand_attention(), 1, 8);
  const Sums sums = sums_of(ops, {});
  CHECK(sums.weight.time == 2us + sim::Duration(9'600'000 + 51'200));
  const hardware::TrainingAttentionShape core{
      .queries = 8, .keys = 8, .heads = 4, .kv_heads = 2, .qk_dim = 100, .v_dim = 100};
  const Sums again = sums_of(ops, {.core_attn = true});
  CHECK(again.input.time - sums.input.time == hand.cores.forward(core).time);
}

TEST_CASE("a mixture layer has the kernels that Megatron-Core counts") {
  // Qwen3-30B-A3B over 16 ranks: 8 experts each, 151 kernels a layer forward and backward, the
  // router's 31 (arXiv 2603.07685). Forward: attention norm, q k v, two norms of heads, rotation,
  // core, output (6) and 10 small; norm (1), router 1 + 1 + 7, maps 11; experts 16, activation, 5
  // small, rows there and back 2; dispatch and combine 3 each: 67.
  // Backward: norm, two products twice, norms of heads, rotation, 3 of the core (10) and 16 small;
  // norm, router 2 + 1 + 8; experts 32, activation, 7 small, rows 2; 6 exchanging: 86.
  const hardware::Device device = hand_device();
  const hardware::Kernels kernels{device, {"roofline", "roofline", "roofline"}};
  const hardware::TrainingAttention cores{device};
  const hardware::GroupedProducts grouped{device, "transformer_engine"};
  const ModelSpec model = load_model("configs/models/qwen3-30b-a3b.yaml");
  const OperationPricing pricing{kernels, cores, grouped, model, {}};
  const auto& moe = std::get<MoeFfn>(model.layer(0).ffn);
  const std::vector<std::int64_t> rows(8, 4096);
  std::int64_t all = 2 * 6, router = 0;
  const auto count = [](const Operations& ops) {
    const Sums sums = sums_of(ops, {});
    return sums.forward.launches + sums.input.launches + sums.weight.launches;
  };
  router = count(pricing.router(moe, 4096)) + count(pricing.preprocess(4096)) - 2;  // its norm's
  CHECK(router == 31);
  all += router + 2 + count(pricing.mixer(model.layer(0).mixer, 1, 4096)) +
         count(pricing.experts(moe, rows)) + 2 * count(pricing.permute(32768, 32768));
  CHECK(all == 67 + 86);
  CHECK(std::abs(all - 151) <= 2);
}

TEST_CASE("DeepEP's layout of 4,096 tokens takes what DeepSeek's profile shows") {
  // A launch, 4,096 x 24.4 ns, and 8 ids of 8 B a token at 1 ps a byte: 1 + 99.9424 + 0.262144 us.
  // Who sends what is not counted again backward.
  const Hand hand;
  MoeFfn moe = hand_moe();
  moe.top_k = 8;
  const Sums sums = sums_of(hand.pricing.layout(moe, 4096), {});
  CHECK(sums.forward.time == 101'204'544_ps);
  CHECK(sums.forward.launches == 1);
  CHECK(sums.input.time == sim::Duration{});
}

TEST_CASE("an encoder's queries see all keys, and a decoder reads its result") {
  // One sequence of 8: 36 pairs under the mask, 64 without.
  const Hand hand;
  const auto flops = [&](const Operations& ops) { return sums_of(ops, {}).forward.flops.count(); };
  const double causal = flops(hand.pricing.mixer(hand_attention(), 1, 8));
  const double whole = flops(hand.pricing.mixer(hand_attention(), 1, 8, false));
  // 4 heads of 100 and 100: 2 x 4 x 200 FLOP a pair.
  CHECK(whole - causal == (64 - 36) * 1600.0);
  CHECK(flops(hand.pricing.cross(hand_attention(), 1, 8)) == whole);
}

TEST_CASE("experts' second biases are added an expert at a time") {
  // Two experts with 5 rows of 1,000 numbers. Forward a product and a sum each, a join and a cast:
  // 6 us and 28 B a number. Backward 7 kernels each and 3: 17 us and 36 B a number.
  const Hand hand;
  const std::array<std::int64_t, 2> rows{3, 2};
  MoeFfn moe = hand_moe();
  const Sums without = sums_of(hand.pricing.experts(moe, rows), {});
  moe.bias = true;
  const Sums with = sums_of(hand.pricing.experts(moe, rows), {});
  CHECK(with.forward.time - without.forward.time == 6us + sim::Duration(28 * 5000));
  CHECK(with.forward.launches - without.forward.launches == 6);
  CHECK(with.input.time - without.input.time == 17us + sim::Duration(36 * 5000));
  CHECK(with.input.launches - without.input.launches == 17);
  CHECK(with.weight.time == without.weight.time);
}

TEST_CASE("a card at its power limit takes longer for what arithmetic bounds, in 16 bits") {
  // 1 TFLOP/s: what 1,000 tokens ask for takes milliseconds, its bytes microseconds.
  hardware::Device device = hand_device();
  device.peak[hardware::Precision::BF16] = sim::FlopRate(1e12);
  device.peak[hardware::Precision::FP8] = sim::FlopRate(1e12);
  const hardware::Kernels kernels{device, {"roofline", "roofline", "roofline"}};
  const hardware::TrainingAttention cores{device};
  const hardware::GroupedProducts grouped{device, "transformer_engine"};
  const ModelSpec model = hand_model();
  OperationPricing brief{kernels, cores, grouped, model, {}}, products = brief, both = brief;
  products.slowdown = both.slowdown = both.core_slowdown = 1.25;
  const auto ratio = [](const Work& work, const Work& than) {
    return static_cast<double>(work.time.count()) / static_cast<double>(than.time.count());
  };
  const Operations slow = products.dense(hand_dense(), 1000),
                   fast = brief.dense(hand_dense(), 1000);
  CHECK(ratio(slow[1].forward, fast[1].forward) == doctest::Approx(1.25));
  CHECK(ratio(slow[1].input, fast[1].input) == doctest::Approx(1.25));
  CHECK(slow[0].forward.time == fast[0].forward.time);  // a norm: memory bounds it
  // Cores have a factor of their own.
  const auto core = [](const OperationPricing& pricing) {
    for (const Operation& op : pricing.mixer(hand_attention(), 1, 1000))
      if (op.module == Module::Core) return op;
    FAIL("no core");
    return Operation{};
  };
  CHECK(ratio(core(products).input, core(brief).input) == 1);
  CHECK(ratio(core(both).input, core(brief).input) == doctest::Approx(1.25));
  // In 8 bits nothing is lost.
  brief.formats.dense_ffn = products.formats.dense_ffn = hardware::Precision::FP8;
  CHECK(products.dense(hand_dense(), 1000)[1].forward.time ==
        brief.dense(hand_dense(), 1000)[1].forward.time);
}

TEST_CASE("a layer by itself has no norm, and no embedding without a vocabulary") {
  // 10 tokens of 1,000 numbers, read and written twice: 80,000 B and a launch.
  Hand hand;
  const auto forward = [&] {
    return sums_of(hand.pricing.router(hand_moe(), 10), {}).forward.time;
  };
  const sim::Duration with = forward();
  for (LayerKind& kind : hand.model.kinds) kind.norms = 0;
  CHECK(with - forward() == 1us + sim::Duration(80'000));
  CHECK(hand.pricing.embedding(10).size() == 1);
  hand.model.vocab = 0;
  CHECK(hand.pricing.embedding(10).empty());
}

TEST_CASE("several experts of a GPU are priced as a group where there is a fit of one") {
  const hardware::Device device = hardware::load_device("configs/devices/b200.yaml");
  const hardware::Kernels kernels{device, {.gemm = "transformer_engine"}};
  const hardware::TrainingAttention cores{device};
  const hardware::GroupedProducts grouped{device, "transformer_engine"};
  const ModelSpec model = hand_model();
  const OperationPricing pricing{kernels, cores, grouped, model, {}};
  const MoeFfn moe = hand_moe();
  const Operation one = pricing.expert(moe, 100, /*alone=*/false)[0],
                  alone = pricing.expert(moe, 100, /*alone=*/true)[0];
  const hardware::TrainingProduct product{
      .m = 100, .n = 2 * moe.inter, .k = moe.dispatch_width(model.hidden)};
  using enum hardware::ProductPass;
  CHECK(one.forward.time == grouped.cost(product, Forward).time);
  CHECK(one.input.time == grouped.cost(product, Input).time);
  CHECK(one.weight.time == grouped.cost(product, Weight).time);
  CHECK(alone.forward.time == product_forward(kernels, product).time);
  // What steps ask: as many as the GPU has.
  const std::array<std::int64_t, 2> two{100, 100};
  const auto products = [&](std::span<const std::int64_t> rows) {
    sim::Duration sum{};
    for (const Operation& op : pricing.experts(moe, rows))
      if (op.module == Module::Expert && op.weight.time > sim::Duration{}) sum += op.weight.time;
    return sum;
  };
  const auto weights = [&](bool is_alone) {
    const auto both = pricing.expert(moe, 100, is_alone);
    return both[0].weight.time + both[1].weight.time;
  };
  CHECK(products(two) == weights(false) + weights(false));
  CHECK(products(std::span(two).first(1)) == weights(true));
}
