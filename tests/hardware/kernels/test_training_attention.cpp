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

TEST_CASE(
    "a core is its pairs, and what a tile and the diagonal cost beside, at a part of the peak") {
  // 1e6 FLOP and bytes a microsecond, 2 us a launch. 2 sequences of 10 queries and keys, 4 heads of
  // 128 and 128: 2 x 4 x 256 = 2,048 FLOP a pair. Causal: 2 x 10 x 5.5 = 110 pairs, beside 20 x (3
  // + 4 / 2) = 100. At 0.5 of the peak 210 x 2,048 / 0.5e6 = 0.860 us, a launch and 7 us before.
  Rates rates;
  rates.peak = 1e6;
  rates.bandwidth = 1e9;
  rates.launch = 2;
  const TrainingAttentionParameters p{
      .rate = 0.5, .narrow = 0.8, .wide = 1.25, .tile_keys = 3, .diagonal_keys = 4, .start_us = 7};
  TrainingAttentionInput x{
      .shape = {.sequences = 2, .queries = 10, .keys = 10, .heads = 4, .kv_heads = 4}};
  const auto us = [&] { return TrainingAttentionModel::us(x, rates, p); };
  CHECK(us() == doctest::Approx(9 + 210 * 2048 / 0.5e6));
  // Backward: 2.5 times that, three launches; both passes 3.5 times and four.
  x.pass = AttentionPass::Backward;
  CHECK(us() == doctest::Approx(13 + 2.5 * 210 * 2048 / 0.5e6));
  x.pass = AttentionPass::Both;
  CHECK(us() == doctest::Approx(15 + 3.5 * 210 * 2048 / 0.5e6));
  x.pass = AttentionPass::Forward;
  // Without a mask 200 pairs, and no diagonal: beside 60.
  x.shape.causal = false;
  CHECK(us() == doctest::Approx(9 + 260 * 2048 / 0.5e6));
  // Heads of 64: half the FLOP a pair, at 0.8 of the rate; of 192 and 128: 2,560 at 1.25 times it.
  x.shape.qk_dim = x.shape.v_dim = 64;
  CHECK(us() == doctest::Approx(9 + 260 * 1024 / 0.4e6));
  x.shape.qk_dim = 192;
  x.shape.v_dim = 128;
  CHECK(us() == doctest::Approx(9 + 260 * 2560 / 0.625e6));
  // A timing may hold what the host takes.
  x.host_us = 90;
  CHECK(us() == doctest::Approx(99 + 260 * 2560 / 0.625e6));
  // What is read and written, once: 2 bytes x 2 x (10 x 4 + 10 x 4) x 320 = 102,400 at 0.85e3.
  rates.bandwidth = 1e3;
  CHECK(us() == doctest::Approx(99 + 102'400 / 850.0));
}

TEST_CASE("a table tells of what queries cost beside their keys by two lengths, of widths by one") {
  const auto shape = [](std::int64_t keys, std::int64_t width, bool causal) {
    return TrainingAttentionInput{.shape = {.keys = keys, .qk_dim = width, .causal = causal}};
  };
  const auto first = shape(4096, 128, true);
  const auto tells = [&](const char* parameter, const TrainingAttentionInput& x) {
    return TrainingAttentionModel::tells(parameter, x, first);
  };
  CHECK(!tells("diagonal_keys", first));
  CHECK(tells("diagonal_keys", shape(512, 128, true)));
  CHECK(!tells("tile_keys", shape(512, 128, true)));
  CHECK(tells("tile_keys", shape(512, 128, false)));
  CHECK(tells("narrow", shape(4096, 64, true)));
  CHECK(!tells("narrow", shape(4096, 128, true)));
  CHECK(tells("wide", shape(4096, 192, true)));
}

TEST_CASE("a causal core on H100 takes what FlashAttention-3 publishes") {
  // 16,384 tokens, 16 heads of 128: 474.7, 913.2, 1,784.9 us in 4, 2, 1 sequences (the
  // repository's assets/flash3_fp16_fwd.png).
  const Device h100 = shipped("h100");
  const TrainingAttention attention(h100);
  const auto forward = [&](std::int64_t sequences) {
    return us(attention.forward({.sequences = sequences,
                                 .queries = 16384 / sequences,
                                 .keys = 16384 / sequences,
                                 .heads = 16,
                                 .kv_heads = 16}));
  };
  CHECK(forward(1) == doctest::Approx(1784.9).epsilon(0.05));
  CHECK(forward(2) == doctest::Approx(913.2).epsilon(0.05));
  CHECK(forward(4) == doctest::Approx(474.7).epsilon(0.05));
}

TEST_CASE("the backward core takes 2.9 to 4.1 times the forward on H100, less on B200") {
  const auto ratio = [](const char* name, std::int64_t keys) {
    const Device d = shipped(name);
    const TrainingAttention attention(d);
    const TrainingAttentionShape shape{
        .sequences = 16384 / keys, .queries = keys, .keys = keys, .heads = 32, .kv_heads = 8};
    return us(attention.backward(shape)) / us(attention.forward(shape));
  };
  CHECK(ratio("h100", 16384) == doctest::Approx(2.9).epsilon(0.05));
  CHECK(ratio("h100", 4096) == doctest::Approx(3.1).epsilon(0.05));
  CHECK(ratio("h100", 512) == doctest::Approx(3.6).epsilon(0.1));
  CHECK(ratio("b200", 4096) == doctest::Approx(3.0).epsilon(0.15));
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

TEST_CASE("a generation without tables has another's fits and says so") {
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
  const TrainingAttentionShape narrow{.sequences = 4,
                                      .queries = 4096,
                                      .keys = 4096,
                                      .heads = 32,
                                      .kv_heads = 32,
                                      .qk_dim = 64,
                                      .v_dim = 64};
  CHECK(cudnn.forward(narrow).trust.use->used == "cudnn bf16_forward");
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
    CHECK(predicted == doctest::Approx(measured).epsilon(shape.qk_dim == 128 ? 0.07 : 0.055));
    ++seen;
  }
  CHECK(seen == 36);
}
