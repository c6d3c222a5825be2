#include "hardware/kernels/training_attention.h"

#include <doctest/doctest.h>

#include "sim/io/csv.h"
#include "tests/hardware/kernels/devices.h"

using namespace moesim;
using namespace moesim::hardware;

namespace {

double us(const KernelCost& cost) {
  return sim::to_us(cost.time);
}

}  // namespace

TEST_CASE("queries see half of the keys, or what lies in their window") {
  // 4 queries of 4 keys: 1 + 2 + 3 + 4. A window of 2 of 100: 2 - 4 / 200 on average.
  CHECK(visible_pairs({.sequences = 3, .queries = 4, .keys = 4}) == 3 * 10);
  CHECK(visible_pairs({.queries = 100, .keys = 100, .window = 2}) == doctest::Approx(198));
  CHECK(visible_pairs({.queries = 100, .keys = 100, .window = 100}) == 5050);
}

TEST_CASE("a causal core on H100 takes what FlashAttention-3 publishes") {
  // 16,384 tokens, 16 heads of 128: 474.7, 913.2, 1,784.9 us in 4, 2, 1 sequences (the
  // repository's assets/flash3_fp16_fwd.png). By hand at 16,384: pairs 16,384 x 16,384.5 / 2 and
  // 16,384 x 190 at the diagonal, x 8,192 FLOP = 1.125e12, over 0.64 x 989.4e6 FLOP/us = 1,777 us.
  const Device h100 = shipped("h100");
  const TrainingAttention attention(h100);
  const auto forward = [&](std::int64_t sequences) {
    return us(attention.forward({.sequences = sequences,
                                 .queries = 16384 / sequences,
                                 .keys = 16384 / sequences,
                                 .heads = 16,
                                 .kv_heads = 16}));
  };
  CHECK(forward(1) == doctest::Approx(1777).epsilon(0.005));
  CHECK(forward(1) == doctest::Approx(1784.9).epsilon(0.02));
  CHECK(forward(2) == doctest::Approx(913.2).epsilon(0.02));
  CHECK(forward(4) == doctest::Approx(474.7).epsilon(0.02));
}

TEST_CASE("the backward core takes 2.9 to 4.1 times the forward on H100, less on B200") {
  const auto ratio = [](const char* name, std::int64_t keys) {
    const Device d = shipped(name);
    const TrainingAttention attention(d);
    const TrainingAttentionShape shape{
        .sequences = 4, .queries = keys, .keys = keys, .heads = 32, .kv_heads = 8};
    return us(attention.backward(shape)) / us(attention.forward(shape));
  };
  // 2.5 / (0.87 x s / (s + 184)): 2.91 at 16,384; 3.0 at 4,096; 3.9 at 512.
  CHECK(ratio("h100", 16384) == doctest::Approx(2.906).epsilon(0.01));
  CHECK(ratio("h100", 4096) == doctest::Approx(3.0).epsilon(0.01));
  CHECK(ratio("h100", 512) == doctest::Approx(3.9).epsilon(0.06));
  CHECK(ratio("b200", 4096) == doctest::Approx(3.0).epsilon(0.1));
}

TEST_CASE("the latent core of DeepSeek-V3 beside an exchange takes what its profile shows") {
  // 4,096 tokens, 128 heads, 192 / 128, 112 of 132 multiprocessors of H800: 1,237 us.
  const Device h800 = shipped("h800");
  const TrainingAttention attention(h800);
  const KernelCost cost = attention.forward(
      {.queries = 4096, .keys = 4096, .heads = 128, .kv_heads = 128, .qk_dim = 192, .v_dim = 128},
      DeviceShare(112.0 / 132));
  CHECK(us(cost) == doctest::Approx(1237).epsilon(0.05));
  // Arithmetic of the mask: 4,096 x 4,097 / 2 pairs x 128 x 640.
  CHECK(cost.flops.count() == doctest::Approx(4096 * 4097.0 / 2 * 128 * 640));
}

TEST_CASE("a generation without benches has Hopper's constants and says so") {
  const Device l40s = shipped("l40s");
  const TrainingAttention attention(l40s);
  const KernelCost cost =
      attention.forward({.queries = 4096, .keys = 4096, .heads = 8, .kv_heads = 8});
  CHECK(cost.trust.extrapolated());
  CHECK(cost.trust.use->carried_from == "H100 SXM");
}

TEST_CASE("cuDNN's cores take what an H100 measured, less what the host took before them") {
  const Device h100 = shipped("h100");
  const TrainingAttention cudnn(h100, TrainingCore::CuDnn);
  // By hand, 4 sequences of 4,096 tokens, 32 heads of 64: 16,384 x (4,097 + 440) / 2 pairs x 8,192
  // FLOP = 3.0447e11, over 0.48 x 989.4e6 FLOP/us = 641.1 us, and a launch of 2.4.
  const TrainingAttentionShape narrow{.sequences = 4,
                                      .queries = 4096,
                                      .keys = 4096,
                                      .heads = 32,
                                      .kv_heads = 32,
                                      .qk_dim = 64,
                                      .v_dim = 64};
  CHECK(us(cudnn.forward(narrow)) == doctest::Approx(643.5).epsilon(0.001));
  CHECK(cudnn.forward(narrow).trust.use->used == "cudnn");
  CHECK(cudnn.forward(narrow).trust.use->carried_from.empty());
  const Device b200 = shipped("b200");
  const TrainingAttention carried(b200, TrainingCore::CuDnn);
  CHECK(carried.forward(narrow).trust.extrapolated());

  const auto csv =
      sim::io::CsvTable::read("validation/measured/h100-2026-11-28/training_kernels.csv");
  const auto text = [&](std::size_t row, const char* column) {
    return csv.text(row, csv.column(column));
  };
  int seen = 0;
  for (std::size_t i = 0; i < csv.rows(); ++i) {
    const bool backward = text(i, "op") == "attention_backward";
    if (text(i, "impl") != "cudnn" || !(backward || text(i, "op") == "attention_forward")) continue;
    const auto number = [&](const char* column) {
      return static_cast<std::int64_t>(csv.number(i, csv.column(column)));
    };
    const TrainingAttentionShape shape{.sequences = number("groups"),
                                       .queries = number("m"),
                                       .keys = number("m"),
                                       .heads = number("n"),
                                       .kv_heads = number("k"),
                                       .qk_dim = number("width_k"),
                                       .v_dim = number("width_v")};
    // The very first timings are those of a library that still looks for its kernels.
    if (shape.heads == 32 && shape.qk_dim == 128 && shape.keys < 4096) continue;
    const double predicted =
        backward ? 130 + us(cudnn.backward(shape)) : 90 + us(cudnn.forward(shape));
    const double measured = csv.number(i, csv.column("p10_us"));
    CAPTURE(i);
    CAPTURE(predicted / measured);
    CHECK(predicted == doctest::Approx(measured).epsilon(shape.qk_dim == 128 ? 0.07 : 0.03));
    ++seen;
  }
  CHECK(seen == 36);
}
