#include <doctest/doctest.h>

#include "hardware/trust.h"

using namespace moesim::hardware;

TEST_CASE("a price by what was asked for and within its range is not extrapolated") {
  const ModelUse use{.kind = "gemm", .asked = "trtllm bf16", .used = "trtllm bf16"};
  const Trust trust{.use = &use};
  CHECK(!trust.extrapolated());
  CHECK(reason_of(use, trust.outside).empty());
}

TEST_CASE("a stand-in beyond its range on another generation says all three") {
  const ModelUse use{.kind = "gemm",
                     .asked = "trtllm nvfp4",
                     .used = "trtllm fp8",
                     .axes = {{"m", 1, 32768}, {"k", 256, 16384}, {"head_dim", 0, 0}},
                     .carried_from = "NVIDIA H100 SXM",
                     .other_generation = true};
  const Trust trust{.use = &use, .outside = 0b110};
  CHECK(trust.extrapolated());
  CHECK(reason_of(use, trust.outside) ==
        "gemm trtllm nvfp4: no fit, trtllm fp8 stands in, fitted on NVIDIA H100 SXM, another "
        "generation, k beyond 256 to 16384, no measurement varies head_dim");
}
