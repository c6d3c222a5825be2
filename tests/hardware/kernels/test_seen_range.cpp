#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "hardware/kernels/kernels.h"
#include "hardware/kernels/seen_range.h"
#include "tests/hardware/kernels/devices.h"

using namespace moesim;
using namespace moesim::hardware;

namespace {

FittedModel model() {
  FittedModel m;
  m.valid = {{"keys", {2, 1024}}, {"head_dim", {64, 64}}, {"window", {0, 0}}, {"ranks", {2, 8}}};
  m.seen = {{"ranks", {2, 8}}};
  return m;
}

}  // namespace

TEST_CASE("a value within what was seen is not outside, and nothing of an axis never is") {
  const SeenRange keys(model(), "keys");
  CHECK(!keys.is_outside(2));
  CHECK(!keys.is_outside(1024));
  CHECK(!keys.is_outside(0));
  CHECK(keys.is_outside(1));
  CHECK(keys.is_outside(1025));
  CHECK(!SeenRange(model(), "window").is_outside(0));
  CHECK(SeenRange(model(), "window").is_outside(128));
  // Counted: 4 lies between two that were seen.
  CHECK(SeenRange(model(), "ranks").is_outside(4));
  CHECK(!SeenRange(model(), "ranks").is_outside(8));
}

TEST_CASE("doubt is nothing at the edge and grows with the root of the logarithm beyond") {
  const SeenRange keys(model(), "keys");
  CHECK(keys.doubt(1024 * std::exp(1.0)) == doctest::Approx(0.15));
  CHECK(keys.doubt(1024 * std::exp(4.0)) == doctest::Approx(0.3));
  CHECK(keys.doubt(1) == doctest::Approx(0.15 * std::sqrt(std::log(2))));
  // Twice as much for an input of one value, and for one that no measurement had.
  CHECK(SeenRange(model(), "head_dim").doubt(64 * std::exp(1.0)) == doctest::Approx(0.3));
  CHECK(SeenRange(model(), "window").doubt(128) == doctest::Approx(0.3));
  CHECK(SeenRange(model(), "experts").is_outside(8));
  CHECK(SeenRange(model(), "experts").doubt(8) == doctest::Approx(0.3));
}

TEST_CASE("a head size of 999 had a narrower interval than one of 128 and was not told") {
  const Kernels kernels(shipped("h100"), {});
  AttentionShape shape{.batch = 16, .kv_length = 1024, .heads = 32, .kv_heads = 8};
  const Trust inside = kernels.attention(shape).trust;
  CHECK(!inside.extrapolated());
  shape.head_dim = 999;
  const Trust outside = kernels.attention(shape).trust;
  CHECK(reason_of(*outside.use, outside.outside) ==
        "generation_attention trtllm bf16_bf16: head_dim beyond 64 to 128");
  CHECK(outside.low < inside.low);
  CHECK(outside.p10 < inside.p10);
  CHECK(outside.p90 > inside.p90);
  CHECK(outside.high > inside.high);
}

TEST_CASE("ten million keys, few and many experts, other widths are told") {
  const Kernels kernels(shipped("h100"), {});
  const auto reason = [](const KernelCost& cost) {
    return reason_of(*cost.trust.use, cost.trust.outside);
  };
  CHECK(reason(
            kernels.attention({.batch = 1, .kv_length = 10'000'000, .heads = 32, .kv_heads = 8})) ==
        "generation_attention trtllm bf16_bf16: keys beyond 2 to 131072");
  CHECK(reason(kernels.attention({.batch = 1,
                                  .prompt = true,
                                  .query_length = 512,
                                  .kv_length = 1536,
                                  .heads = 32,
                                  .kv_heads = 8,
                                  .window = 128})) ==
        "context_attention trtllm bf16_bf16: no measurement varies keys_before, no measurement "
        "varies window");
  CHECK(reason(kernels.mla({.batch = 8, .kv_length = 512, .heads = 128, .kv_lora_rank = 256})) ==
        "generation_mla trtllm bf16_bf16: key_width beyond 576 to 576, value_width beyond 512 to "
        "512");
  const std::array<std::int64_t, 1> rows{64};
  CHECK(reason(kernels.moe({.tokens = 64,
                            .hidden = 16384,
                            .inter = 2048,
                            .top_k = 8,
                            .experts = 4096,
                            .rows = rows})) ==
        "moe trtllm bf16: hidden beyond 2048 to 6144, experts beyond 8 to 512");
}

TEST_CASE("a count between two that were seen is as doubtful as it is far from the nearer") {
  // 4 of 2 and 8: a factor of two, 0.15 sqrt(ln 2) = 0.125. 16: the same, beyond.
  const SeenRange ranks(model(), "ranks");
  CHECK(ranks.doubt(4) == doctest::Approx(0.15 * std::sqrt(std::log(2))));
  CHECK(ranks.doubt(16) == doctest::Approx(0.15 * std::sqrt(std::log(2))));
}
