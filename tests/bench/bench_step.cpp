// One step, as `moesim run` simulates it: reading the routing, building the graph, playing it,
// summing up. The files are read once, before.
#include <benchmark/benchmark.h>

#include <string>

#include "workloads/run.h"

namespace {

using namespace moesim;

void step(benchmark::State& state, const std::string& file,
          const std::vector<std::string>& overrides) {
  const workloads::Scenario scenario =
      workloads::load_scenario("configs/scenarios/" + file, overrides);
  double simulated = 0;
  for (auto _ : state) simulated = workloads::run(scenario).report.step_time_us.mean;
  state.counters["simulated_us"] = simulated;
}

const std::string kDeepSeek = "deepseek-v3-decode-h800-ep128.yaml";

}  // namespace

BENCHMARK_CAPTURE(step, deepseek_v3_128_bound, kDeepSeek,
                  {"network=bound", "overlap.two_batch=false"})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(step, deepseek_v3_128_fluid, kDeepSeek, {"overlap.two_batch=false"})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(step, deepseek_v3_128_fluid_two_batch, kDeepSeek, {})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(step, deepseek_v3_320_bound, kDeepSeek,
                  {"network=bound", "overlap.two_batch=false", "parallelism={dp: 320, ep: 320}",
                   "placement={redundant: 64}", "cluster=configs/clusters/h800-40x8.yaml"})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(step, mixtral_8_fluid, "mixtral-8x7b-decode-h100.yaml", {"step.count=1"})
    ->Unit(benchmark::kMillisecond);

BENCHMARK_MAIN();
