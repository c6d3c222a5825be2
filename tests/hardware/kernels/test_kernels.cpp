#include <doctest/doctest.h>

#include <array>
#include <chrono>

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
  CHECK(cost.extrapolated);
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
          "sglang, vllm, deepgemm, moesim");
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
          "trtllm, sglang, vllm, deepgemm, moesim");
  }
}

TEST_CASE("a fitted kernel has an interval around it and is not extrapolated in its range") {
  const Kernels kernels(shipped("h100"), {});
  const KernelCost cost = kernels.gemm({.m = 512, .n = 4096, .k = 4096});
  CHECK(!cost.extrapolated);
  CHECK(cost.low < 1);
  CHECK(cost.high > 1);
  CHECK(kernels.gemm({.m = 512, .n = 4096, .k = 400'000}).extrapolated);
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
