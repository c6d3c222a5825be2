#include "workloads/training/training_flops.h"

#include <doctest/doctest.h>

#include "workloads/model/model_spec.h"

using namespace moesim::workloads;

namespace {

ModelSpec model(const char* name) {
  return load_model(std::string("configs/models/") + name + ".yaml");
}

}  // namespace

TEST_CASE("FLOP a token are those that Megatron counts") {
  // GFLOP a token as num_floating_point_operations gives them, sequences of 4,096 tokens, and of
  // 8,192 for the last; to 0.1 %: it counts s keys where a mean token sees s + 1 halves.
  struct Row {
    const char* name;
    std::int64_t tokens, predictions;
    double gflops;
  };
  for (const Row& row : {Row{"qwen3-235b-a22b", 4096, 0, 148.03},
                         Row{"qwen3-30b-a3b", 4096, 0, 23.006}, Row{"deepseek-v3", 4096, 0, 249.8},
                         Row{"deepseek-v3", 4096, 1, 259.99}, Row{"mixtral-8x22b", 4096, 0, 242.2},
                         Row{"mixtral-8x7b", 4096, 0, 79.7}, Row{"llama-3-70b", 8192, 0, 449.2}}) {
    CAPTURE(row.name);
    CHECK(training_flops(model(row.name), row.tokens, row.predictions).model_causal / 1e9 ==
          doctest::Approx(row.gflops).epsilon(0.001));
  }
}

TEST_CASE("without a mask the attention core has twice the FLOP") {
  // DeepSeek-V3 at 4,096: 280.2 for 249.7 GFLOP (arXiv 2505.09343, table 4).
  const TrainingFlops flops = training_flops(model("deepseek-v3"), 4096, 0);
  CHECK(flops.model_full / 1e9 == doctest::Approx(280.2).epsilon(0.0015));
  // By hand: core of 61 layers, 3 x 2 x 2,048 keys more x 128 heads x 320 = 30.7 GFLOP.
  CHECK((flops.model_full - flops.model_causal) / 1e9 ==
        doctest::Approx(61.0 * 3 * 2 * 2047.5 * 128 * 320 / 1e9).epsilon(1e-6));
}
