#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "hardware/kernels/expert_format.h"
#include "hardware/kernels/gemm.h"
#include "hardware/kernels/kernels.h"
#include "hardware/kernels/memory_time.h"
#include "hardware/kernels/moe.h"
#include "tests/hardware/kernels/devices.h"

using namespace moesim;
using namespace moesim::hardware;

TEST_CASE("a format without units is widened to 16 bits, and one with units keeps 8 or 4") {
  const Device h100 = shipped("h100"), b200 = shipped("b200"), a100 = shipped("a100");
  CHECK(variant_of(expert_format(Precision::MXFP4, h100)) == "w4a16_mxfp4");
  CHECK(variant_of(expert_format(Precision::MXFP4, b200)) == "w4a8_mxfp4_mxfp8");
  CHECK(variant_of(expert_format(Precision::NVFP4, h100)) == "w4a16_nvfp4");
  CHECK(variant_of(expert_format(Precision::NVFP4, b200)) == "nvfp4");
  CHECK(variant_of(expert_format(Precision::FP8Block, h100)) == "fp8_block");
  // Ampere has no 8-bit floating-point units: 8 bits in memory, 16 in the products.
  const ExpertFormat fp8 = expert_format(Precision::FP8, a100);
  CHECK(fp8.weights == Precision::FP8);
  CHECK(fp8.activations == Precision::BF16);
  CHECK(expert_format(Precision::INT4, h100).activations == Precision::BF16);
  CHECK(!expert_format(Precision::BF16, h100).widened());
}

TEST_CASE("both sides of a format are read from what tables call it") {
  CHECK(parse_expert_format("w4a16_mxfp4")->activations == Precision::BF16);
  CHECK(parse_expert_format("w4a8_mxfp4_mxfp8")->activations == Precision::FP8);
  CHECK(!parse_expert_format("mxfp4"));
}

TEST_CASE("experts in mxfp4 on Hopper compute no faster than 16 bits do") {
  // 8 experts of 4096 rows, 4096 x 4096, three matrices: 3.3e12 FLOP, 3.3 ms at 989.4 TFLOP/s. By
  // FP8's rate it would be half of that.
  const Device h100 = shipped("h100");
  const Kernels kernels(h100, {});
  const std::vector<std::int64_t> rows(8, 4096);
  MoeShape shape{.tokens = 32768,
                 .hidden = 4096,
                 .inter = 4096,
                 .top_k = 1,
                 .experts = 8,
                 .rows = rows,
                 .precision = Precision::MXFP4};
  const double flops = 2.0 * 8 * 4096 * 3 * 4096 * 4096;
  CHECK(sim::to_us(kernels.moe(shape).time) >= flops / 989.4e12 * 1e6);
}

TEST_CASE("widening adds what no arithmetic hides, of every tile's weights") {
  // 132 tiles of 64 x 64 on 132 multiprocessors: one wave, whose depth of 4096 passes 64 x 4096
  // weights. At 2e5 a microsecond that is 1.311 us, half of it hidden by 5 us of arithmetic: 0.655
  // more. Wider tiles would widen more, and compute longer.
  MoeParameters p{.launch_us = 1,
                  .per_group_us = 0,
                  .per_selection_ns = 0,
                  .compute_fraction = 0.8,
                  .power_slowdown = 1e-9,
                  .memory_fraction = 1,
                  .ramp_us = 1e-9,
                  .ramp_scale_us = 1,
                  .overlap_power = 12,
                  .prologue_us = 0.1,
                  .load_bytes_us = 1e9,
                  .wave_quantisation = 0.5,
                  .stream_fraction = 1,
                  .short_rows = 1,
                  .widen_rate = 2e5,
                  .widen_added = 0.5,
                  .remote_fraction = 1};
  Rates rates = rates_of(shipped("h100"), Precision::BF16);
  rates.bandwidth = 1e12;  // no traffic to speak of, but for the multiprocessors' own limit
  const GroupRows rows = group_rows(std::array<std::int64_t, 1>{64});
  const auto us = [&] {
    return grouped_gemm_us(rows, 64 * 132, 4096, {Precision::MXFP4, Precision::BF16}, rates, p);
  };
  const double with = us();
  p.widen_rate = 1e12;
  CHECK(with - us() == doctest::Approx(4096 * 0.5 * 64 / 2e5).epsilon(0.02));
}

TEST_CASE("rows of other ranks' experts cost where the buffers have them") {
  // 1000 selections of which 100 are this rank's: 900 rows more of 4 x 512 + 2 x 512 bytes through
  // the activation and 2 x 1024 into the sum, 4.6 MB at half of 3.35 TB/s: 2.75 us.
  MoeInput x;
  x.tokens = 500;
  x.hidden = 1024;
  x.inter = 512;
  x.top_k = 2;
  x.experts = 10;
  x.rows = group_rows(std::array<std::int64_t, 1>{100});
  MoeParameters p;
  for (const auto& f : MoeModel::fields()) p.*f.member = f.initial;
  p.remote_fraction = 0.5;
  const Rates rates = rates_of(shipped("h100"), Precision::BF16);
  const double local = MoeModel::us(x, rates, p);
  x.whole_buffers = true;
  CHECK(MoeModel::us(x, rates, p) - local ==
        doctest::Approx(900 * (4 * 512 + 2 * 512 + 2 * 1024) / (3.35e6 * 0.5)));
  CHECK(has_whole_buffers("vllm"));
  CHECK(!has_whole_buffers("trtllm"));
}

TEST_CASE("a product whose input comes quantised costs its quantisation less") {
  // quantise_us and 3 bytes of each of 256 x 4096 elements at half of 3.35 TB/s: 1.88 us.
  GemmParameters p;
  for (const auto& f : GemmModel::fields()) p.*f.member = f.initial;
  p.quantise_us = 7;
  p.quantise_fraction = 0.5;
  GemmShape s{.m = 256, .n = 4096, .k = 4096, .precision = Precision::FP8};
  const Rates rates = rates_of(shipped("h100"), Precision::FP8);
  const double whole = GemmModel::us(s, rates, p);
  s.quantised = true;
  CHECK(whole - GemmModel::us(s, rates, p) ==
        doctest::Approx(7 + 3.0 * 256 * 4096 / (3.35e6 * 0.5)));
  // A table without it says nothing of it; one with it cannot tell its launches from the product's.
  CHECK(!GemmModel::tells("quantise_us", s));
  const auto& launch = GemmModel::fields()[0];
  CHECK(GemmModel::most(launch, s) == launch.most);
  s.quantised = false;
  CHECK(GemmModel::tells("quantise_us", s));
  CHECK(GemmModel::most(launch, s) == 4.5);
}

TEST_CASE("one split at most is slower where k is long and the tiles are few") {
  // One tile of 64 x 64 with k = 16384 on one multiprocessor: splits of k take a part each.
  GemmParameters p;
  for (const auto& f : GemmModel::fields()) p.*f.member = f.initial;
  const GemmShape s{.m = 64, .n = 64, .k = 16384, .precision = Precision::NVFP4};
  const Rates rates = rates_of(shipped("b200"), Precision::NVFP4);
  const double split = GemmModel::us(s, rates, p);
  p.most_splits = 1;
  CHECK(GemmModel::us(s, rates, p) > split);
}
