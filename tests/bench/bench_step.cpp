// One step, as `moesim run` simulates it: reading the routing, building the graph, playing it,
// summing up. The files are read once, before.
#include <benchmark/benchmark.h>

#include <unistd.h>

#include <filesystem>
#include <string>

#include "sim/io/file_hashes.h"
#include "workloads/routing/trace/synthetic.h"
#include "workloads/routing/trace/trace_cache.h"
#include "workloads/run.h"
#include "workloads/step/player.h"
#include "workloads/step/step_question.h"

namespace {

using namespace moesim;

void step(benchmark::State& state, const std::string& file,
          const std::vector<std::string>& overrides) {
  workloads::Scenario scenario = workloads::load_scenario("configs/scenarios/" + file, overrides);
  scenario.inputs.hashes = std::make_shared<sim::io::FileHashes>();
  double simulated = 0;
  for (auto _ : state) simulated = workloads::run(scenario).report.step_time_us.mean;
  state.counters["simulated_us"] = simulated;
}

// A step more of a player that is there: what serving and studies pay.
void further(benchmark::State& state, const std::string& file,
             const std::vector<std::string>& overrides) {
  const workloads::Scenario scenario =
      workloads::load_scenario("configs/scenarios/" + file, overrides);
  const workloads::Batch batch = workloads::step_kinds(*scenario.step()).back().batch;
  workloads::StepPlayer player(scenario.deployment, {.fullest = batch, .routing_steps = 2});
  player.outcome(batch, 0);
  std::int64_t step = 0;
  for (auto _ : state) benchmark::DoNotOptimize(player.outcome(batch, ++step % 2).time);
}

// Eight steps on so many threads: wall time, which wants idle cores.
void on_threads(benchmark::State& state, const std::string& file,
                const std::vector<std::string>& overrides) {
  const workloads::Scenario scenario =
      workloads::load_scenario("configs/scenarios/" + file, overrides);
  for (auto _ : state) {
    workloads::run(scenario, {.threads = static_cast<std::size_t>(state.range(0))});
  }
}

const std::string kDeepSeek = "deepseek-v3-decode-h800-ep128.yaml";

// A folder that is gone when the program ends.
class Scratch {
 public:
  Scratch()
      : path_(std::filesystem::temp_directory_path() /
              ("moesim-bench-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The 128-GPU step with a trace that holds all of its 16,384 tokens; with a cache they are inflated
// before, once.
void deepseek_v3_128_whole_trace(benchmark::State& state, bool cached) {
  static const Scratch scratch;
  const auto trace = scratch.path() / "whole.h5";
  if (!std::filesystem::exists(trace)) {
    workloads::write_synthetic_trace(trace, {.law = {.law = workloads::Law::LogNormal,
                                                     .skew = 0.6,
                                                     .layers = 58,
                                                     .experts = 256,
                                                     .top_k = 8,
                                                     .groups = 8,
                                                     .groups_per_token = 4},
                                             .requests = 512,
                                             .tokens_per_request = 32});
  }
  workloads::Scenario scenario = workloads::load_scenario(
      "configs/scenarios/" + kDeepSeek,
      {"network=bound", "overlap.two_batch=false", "routing={trace: " + trace.string() + "}"});
  if (cached) {
    scenario.deployment.routing.cache =
        std::make_shared<const workloads::TraceCache>(scratch.path() / "cache");
    workloads::run(scenario);
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(workloads::run(scenario).report.step_time_us.mean);
  }
}

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
BENCHMARK_CAPTURE(deepseek_v3_128_whole_trace, inflated, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(deepseek_v3_128_whole_trace, cached, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(step, deepseek_v3_prefill_32_bound, "deepseek-v3-prefill-h800-ep32.yaml",
                  {"network=bound"})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(step, mixtral_8_fluid, "mixtral-8x7b-decode-h100.yaml", {"step.count=1"})
    ->Unit(benchmark::kMillisecond);

BENCHMARK_CAPTURE(further, deepseek_v3_128_bound, kDeepSeek,
                  {"network=bound", "overlap.two_batch=false"})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(further, mixtral_8_fluid, "mixtral-8x7b-decode-h100.yaml", {})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(further, mixtral_8_bound, "mixtral-8x7b-decode-h100.yaml", {"network=bound"})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(on_threads, deepseek_v3_128_bound, kDeepSeek,
                  {"network=bound", "overlap.two_batch=false", "step.count=16"})
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

BENCHMARK_MAIN();
