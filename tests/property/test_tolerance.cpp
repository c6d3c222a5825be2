// What the tolerance of flows costs a whole step, whose ranks come to each exchange one by one.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "workloads/run.h"

using namespace moesim;

TEST_CASE("a step of flows at a tolerance of 1 % is within 1 % of one at 0.01 %") {
  // DeepSeek-V3's decode by matrices of flows, in one batch and in two that overlap; other requests
  // are drawn with each seed. A tolerant step may only be late: flows are held back, never sped up
  // (but for the ranks whose exchanges others' lateness lets through earlier).
  const auto step_us = [](int ranks, const char* cluster, int seed, bool two_batch,
                          const char* tolerance) {
    const workloads::Scenario scenario = workloads::load_scenario(
        "configs/scenarios/deepseek-v3-decode-h800-ep128.yaml",
        {fmt::format("seed={}", seed), fmt::format("overlap.two_batch={}", two_batch),
         fmt::format("parallelism={{dp: {0}, ep: {0}}}", ranks), fmt::format("cluster={}", cluster),
         "routing.tokens=resample",
         fmt::format("network={{fidelity: fluid, tolerance: {}}}", tolerance)});
    return workloads::run(scenario).report.step_time_us.mean;
  };
  const auto check = [&](int ranks, const char* cluster, int seed, bool two_batch) {
    CAPTURE(ranks);
    CAPTURE(seed);
    CAPTURE(two_batch);
    const double tight = step_us(ranks, cluster, seed, two_batch, "0.0001");
    const double tolerant = step_us(ranks, cluster, seed, two_batch, "0.01");
    CHECK(tolerant <= tight * 1.01);
    CHECK(tolerant >= tight * 0.9999);
    return tight;
  };
  for (const bool two_batch : {false, true}) {
    const double first = check(32, "configs/clusters/h800-4x8.yaml", 1, two_batch);
    CHECK(check(32, "configs/clusters/h800-4x8.yaml", 2, two_batch) != first);
  }
  for (const int seed : {1, 2}) check(64, "configs/clusters/h800-16x8.yaml", seed, false);
}
