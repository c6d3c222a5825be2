#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "hardware/kernels/kernels.h"
#include "sim/error.h"
#include "tests/hardware/kernels/devices.h"

using namespace moesim;
using namespace moesim::hardware;
using namespace std::chrono_literals;

namespace {

// 10 multiprocessors, 100 TFLOP/s, 1 TB/s, 2 us a launch; nothing fitted.
Device plain() {
  const DeviceFolder folder("kernels-plain");
  return load_device(folder.write("d.yaml", device_text()));
}

}  // namespace

TEST_CASE("without a fit a GEMM costs a launch and the slower of arithmetic and traffic") {
  const Kernels kernels(plain(), {});
  // 2 x 1000^3 FLOP at 75 TFLOP/s: 26.667 us; 6 MB at 790 GB/s: 7.6 us. And 2 us to launch.
  const KernelCost cost = kernels.gemm({.m = 1000, .n = 1000, .k = 1000});
  CHECK(sim::to_us(cost.time) == doctest::Approx(2 + 2e9 / 75e6));
  CHECK(cost.bound == Bound::Compute);
  CHECK(cost.trust.extrapolated());
  CHECK(reason_of(*cost.trust.use, cost.trust.outside) ==
        "gemm trtllm bf16: no fit, roofline stands in");
  CHECK(cost.flops.count() == 2e9);
}

TEST_CASE("half of the multiprocessors take twice as long to compute") {
  const Kernels kernels(plain(), {.gemm = "roofline"});
  const double whole = sim::to_us(kernels.gemm({.m = 4096, .n = 4096, .k = 4096}).time) - 2;
  const double half = sim::to_us(kernels.gemm({.m = 4096, .n = 4096, .k = 4096}, 0.5).time) - 2;
  CHECK(half == doctest::Approx(2 * whole));
}

TEST_CASE("half of the memory's bandwidth takes twice as long to copy, and no longer to compute") {
  const Kernels kernels(plain(), {.gemm = "roofline"});
  const sim::Bytes bytes(100'000'000);
  const double whole = sim::to_us(kernels.elementwise({.bytes = bytes}).time) - 2;
  const double half = sim::to_us(kernels.elementwise({.bytes = bytes}, {1, 0.5}).time) - 2;
  CHECK(half == doctest::Approx(2 * whole));
  const hardware::GemmShape square{.m = 4096, .n = 4096, .k = 4096};
  CHECK(kernels.gemm(square, {1, 0.5}).time == kernels.gemm(square).time);
}

TEST_CASE("an implementation that there is not is refused with those there are") {
  try {
    const Kernels kernels(plain(), {.moe = "trtlm"});
    FAIL("accepted");
  } catch (const sim::ConfigError& error) {
    CHECK(std::string(error.what()) ==
          "kernels.moe: there is no implementation \"trtlm\"; those known are roofline, trtllm, "
          "trtllm_gen, sglang, vllm, marlin, deepgemm, moesim");
  }
}

TEST_CASE("kernels that were measured on a device can be asked for by their name") {
  // kernels.moe: moesim once took the fits of TensorRT-LLM on such a device, since moesim-gpu's
  // kernels are called moesim_wgmma and the like, and a scenario could not say so.
  Device mine = shipped("h100");
  FittedModel fit = *find_fitted(mine, "moe", "trtllm", "bf16");
  fit.implementation = "moesim_wgmma";
  fit.parameters["launch_us"] += 20;
  mine.fitted.push_back(fit);
  const std::array<std::int64_t, 8> rows{16, 16, 16, 16, 16, 16, 16, 16};
  const MoeShape layer{.tokens = 64,
                       .hidden = 4096,
                       .inter = 14336,
                       .top_k = 2,
                       .experts = 8,
                       .rows = rows,
                       .precision = Precision::BF16,
                       .gated = true};
  CHECK(Kernels(mine, {.moe = "moesim_wgmma"}).moe(layer).time >
        Kernels(mine, {.moe = "trtllm"}).moe(layer).time + 15us);
  // Not as kernels of another kind, of which there is no fit.
  try {
    const Kernels kernels(mine, {.gemm = "moesim_wgmma"});
    FAIL("accepted");
  } catch (const sim::ConfigError& error) {
    CHECK(std::string(error.what()) ==
          "kernels.gemm: there is no implementation \"moesim_wgmma\"; those known are roofline, "
          "trtllm, trtllm_gen, sglang, vllm, marlin, deepgemm, moesim");
  }
}

TEST_CASE("a fitted kernel has an interval around it and is not extrapolated in its range") {
  const Kernels kernels(shipped("h100"), {});
  const KernelCost cost = kernels.gemm({.m = 512, .n = 4096, .k = 4096});
  CHECK(!cost.trust.extrapolated());
  CHECK(cost.trust.low < cost.trust.p10);
  CHECK(cost.trust.p10 < 1);
  CHECK(cost.trust.p90 > 1);
  CHECK(cost.trust.high > cost.trust.p90);
  const Trust deep = kernels.gemm({.m = 512, .n = 4096, .k = 400'000}).trust;
  CHECK(deep.extrapolated());
  CHECK(reason_of(*deep.use, deep.outside) == "gemm trtllm bf16: k beyond 32 to 65536");
}

namespace {

MoeShape mixture(std::span<const std::int64_t> rows, Precision precision, bool routed) {
  return {.tokens = 128,
          .hidden = 4096,
          .inter = 14336,
          .top_k = 2,
          .experts = 8,
          .rows = rows,
          .precision = precision,
          .gated = true,
          .routed = routed};
}

}  // namespace

TEST_CASE("experts that an engine has no fit for were another engine's in silence") {
  // H100 without vLLM's fits of experts.
  Device h100 = shipped("h100");
  std::erase_if(h100.fitted,
                [](const FittedModel& m) { return m.kind == "moe" && m.implementation == "vllm"; });
  const std::array<std::int64_t, 2> rows{64, 64};
  const MoeShape bf16 = mixture(rows, Precision::BF16, true);
  const Kernels deepgemm(h100, {.moe = "deepgemm"}), trtllm(h100, {}), vllm(h100, {.moe = "vllm"});
  const KernelCost standing = deepgemm.moe(bf16), own = trtllm.moe(bf16);
  CHECK(standing.time == own.time);
  CHECK(reason_of(*own.trust.use, own.trust.outside).empty());
  CHECK(standing.trust.use->stand_in());
  CHECK(reason_of(*standing.trust.use, standing.trust.outside) ==
        "moe deepgemm bf16: no fit, trtllm bf16 stands in");
  CHECK(standing.trust.high > own.trust.high);
  const Trust triton = vllm.moe(bf16).trust;
  CHECK(reason_of(*triton.use, triton.outside) ==
        "moe vllm bf16: no fit, sglang bf16 stands in, groups beyond 8 to 512");
  // What it does have a fit for is its own.
  const Trust dispatched = deepgemm.moe(mixture(rows, Precision::FP8Block, false)).trust;
  CHECK(dispatched.use->kind == "wideep_moe");
  CHECK(dispatched.use->used == "deepgemm decode");
  CHECK(!dispatched.use->stand_in());
}

TEST_CASE("a number format without a fit says whose stands in") {
  const Kernels kernels(shipped("h100"), {});
  const Trust trust =
      kernels.gemm({.m = 64, .n = 4096, .k = 4096, .precision = Precision::NVFP4}).trust;
  CHECK(trust.use->asked == "trtllm nvfp4");
  CHECK(trust.use->used == "trtllm fp8");
}

TEST_CASE("the roofline is of no fit, asked for or not") {
  const Kernels kernels(shipped("h100"), {.gemm = "roofline"});
  const Trust gemm = kernels.gemm({.m = 64, .n = 4096, .k = 4096}).trust;
  CHECK(reason_of(*gemm.use, gemm.outside) == "gemm roofline: no fit");
  const Trust copy = kernels.elementwise({.bytes = sim::Bytes(1'000'000)}).trust;
  CHECK(reason_of(*copy.use, copy.outside) == "elementwise roofline: no fit");
}

TEST_CASE("another generation's fits and copies say so") {
  // A100 without the fits of its own.
  Device device = shipped("a100");
  std::erase_if(device.fitted, [](const FittedModel& m) { return !m.other_generation; });
  const Kernels kernels(device, {});
  const Trust gemm = kernels.gemm({.m = 64, .n = 4096, .k = 4096}).trust;
  CHECK(reason_of(*gemm.use, gemm.outside) ==
        "gemm trtllm bf16: fitted on H100 SXM, another generation");
  const Trust copy = kernels.elementwise({.bytes = sim::Bytes(1'000'000)}).trust;
  CHECK(reason_of(*copy.use, copy.outside) ==
        "elementwise copy: fitted on H100 SXM, another generation");
}

TEST_CASE("every price points to one of the models that may answer, moved or not") {
  Kernels first(shipped("h100"), {.moe = "deepgemm", .attention = "vllm"});
  const std::vector<const ModelUse*> uses = first.uses();
  const Kernels kernels = std::move(first);
  CHECK(kernels.uses() == uses);
  const std::array<std::int64_t, 2> rows{64, 64};
  const std::array<std::int64_t, 2> many{640, 640};
  for (const Trust& trust :
       {kernels.gemm({.m = 64, .n = 4096, .k = 4096}).trust,
        kernels.grouped_gemm({.rows = rows, .n = 512, .k = 128}).trust,
        kernels.moe(mixture(rows, Precision::FP8Block, true)).trust,
        kernels.moe(mixture(rows, Precision::FP8Block, false)).trust,
        kernels.moe(mixture(many, Precision::FP8Block, false)).trust,
        kernels.attention({.batch = 4, .kv_length = 512, .heads = 32, .kv_heads = 8}).trust,
        kernels
            .attention({.batch = 4,
     .prompt = true,
     .query_length = 512,
     .kv_length = 512,
     .heads = 32,
     .kv_heads = 8})
            .trust,
        kernels.mla({.batch = 4, .kv_length = 512, .heads = 128}).trust,
        kernels
            .mla({.batch = 4, .prompt = true, .query_length = 512, .kv_length = 512, .heads = 128})
            .trust,
        kernels.elementwise({.bytes = sim::Bytes(4096)}).trust}) {
    REQUIRE(trust.use != nullptr);
    CAPTURE(trust.use->kind);
    CHECK(std::ranges::count(uses, trust.use) == 1);
  }
}

TEST_CASE("whose kernels price a kind is known before anything is priced") {
  const Device h100 = shipped("h100"), k40 = shipped("k40");
  const auto names = [](const KernelChoice& c) { return c.gemm + " " + c.moe + " " + c.attention; };
  CHECK(names(resolve(h100, {})) == "trtllm trtllm trtllm");
  // vLLM has fits of experts and of decode attention; TensorRT-LLM's products stand in for its own.
  CHECK(names(resolve(h100, {.gemm = "vllm", .moe = "vllm", .attention = "vllm"})) ==
        "trtllm vllm vllm");
  CHECK(names(resolve(h100, {.gemm = "roofline", .moe = "deepgemm", .attention = "moesim"})) ==
        "roofline deepgemm vllm");
  CHECK(names(resolve(k40, {.gemm = "vllm"})) == "roofline roofline roofline");
}

TEST_CASE("dispatched rows are priced by the kernels for them, and cheaper than with sorting") {
  const Kernels deepgemm(shipped("h800"), {.moe = "deepgemm"});
  const std::array<std::int64_t, 2> rows{512, 512};
  MoeShape shape{.tokens = 128,
                 .hidden = 7168,
                 .inter = 2048,
                 .top_k = 8,
                 .experts = 256,
                 .rows = rows,
                 .precision = Precision::FP8Block,
                 .gated = true,
                 .routed = false};
  const KernelCost sorted = deepgemm.moe(shape);
  CHECK(sorted.bytes.count() > 2 * 3 * 7168 * 2048);
  // Nothing beats the roofline: 1024 rows x 3 matrices at 1978.9 TFLOP/s.
  CHECK(sim::to_us(sorted.time) > 2.0 * 1024 * 3 * 7168 * 2048 / 1978.9e6);
}
