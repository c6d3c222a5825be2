#include "workloads/memory/dispatch_limit.h"

#include <doctest/doctest.h>

#include "sim/error.h"
#include "workloads/run.h"
#include "workloads/scenario.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

Deployment ep72(bool two_batch) {
  Deployment d = load_scenario("configs/scenarios/deepseek-v3-decode-h100-ep72.yaml").deployment;
  d.overlap.two_batch = two_batch;
  return d;
}

}  // namespace

TEST_CASE(
    "low latency takes as many tokens of a rank as its buffers hold, and one more is refused") {
  const Deployment one = ep72(false);
  CHECK_FALSE(beyond_dispatch(one, 256));
  CHECK(beyond_dispatch(one, 257) ==
        "kernels.all_to_all: deepep_low_latency takes 256 tokens of a rank at most, not 257: "
        "deepep_normal takes any number, deepep has both, engine.dispatch_tokens is what its "
        "buffers are sized for (1024 at most)");
  // Two batches that overlap: 512 are 256 and 256, 513 are 257 and 256.
  const Deployment two = ep72(true);
  CHECK_FALSE(beyond_dispatch(two, 512));
  CHECK(beyond_dispatch(two, 513)->find("not 257") != std::string::npos);
}

TEST_CASE("the limit is the engine's, and micro-batches of a pipeline are dispatched apart") {
  Deployment d = ep72(false);
  d.engine.dispatch_tokens = 128;
  CHECK_FALSE(beyond_dispatch(d, 128));
  CHECK(beyond_dispatch(d, 129)->find("takes 128 tokens of a rank at most, not 129") !=
        std::string::npos);
  d.layout.pp = 2;  // 257 are 129 and 128
  CHECK_FALSE(beyond_dispatch(d, 256));
  CHECK(beyond_dispatch(d, 257)->find("not 129") != std::string::npos);
}

TEST_CASE("what takes any number, or sends nothing, has no limit") {
  Deployment normal = ep72(false);
  normal.tokens = hardware::MulticastAlgorithm::DeepEpNormal;
  CHECK_FALSE(beyond_dispatch(normal, 100'000));
  Deployment alone = ep72(false);
  alone.layout.ep = 1;
  CHECK_FALSE(beyond_dispatch(alone, 100'000));
}

TEST_CASE("the rank that has most decides, and a step beyond the limit is not played") {
  const Deployment d = ep72(false);
  Batch batch = on_every_rank({decoding(256, 100)});
  CHECK(fits_dispatch(d, batch));
  CHECK_NOTHROW(check_dispatch(d, batch));
  batch.ranks.push_back({decoding(257, 100)});
  CHECK_FALSE(fits_dispatch(d, batch));
  CHECK_THROWS_AS(check_dispatch(d, batch), sim::InfeasibleError);

  Scenario scenario = load_scenario("configs/scenarios/deepseek-v3-decode-h100-ep72.yaml");
  scenario.question = decode_question(1024, 2050);
  CHECK_THROWS_AS((void)run(scenario), sim::InfeasibleError);
}
