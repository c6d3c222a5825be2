#include "hardware/kernels/kernel_pool.h"

#include <doctest/doctest.h>

#include "sim/error.h"

using namespace moesim;
using namespace moesim::hardware;

TEST_CASE("one choice is made once, another is another, and prices are those of kernels alone") {
  const Device device = load_device("configs/devices/h100.yaml");
  KernelPool pool(device);
  const KernelChoice trtllm{"trtllm", "trtllm", "trtllm"};
  const auto first = pool.of(trtllm);
  CHECK(pool.of(trtllm) == first);
  for (const KernelChoice& other :
       {KernelChoice{"roofline", "trtllm", "trtllm"}, KernelChoice{"trtllm", "vllm", "trtllm"},
        KernelChoice{"trtllm", "trtllm", "sglang"}, KernelChoice{}})
    CHECK(pool.of(other) != first);
  const Kernels alone(device, trtllm);
  for (const std::int64_t m : {1, 33, 4096}) {
    const GemmShape shape{.m = m, .n = 4096, .k = 2048, .precision = Precision::BF16};
    // Twice: what was found first is what is found then.
    for (int again = 0; again < 2; ++again)
      CHECK(first->gemm(shape).time == alone.gemm(shape).time);
  }
  CHECK_THROWS_AS((void)pool.of({"trtlm", "", ""}), sim::ConfigError);
}
