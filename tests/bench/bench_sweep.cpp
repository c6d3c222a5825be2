// A sweep of Mixtral decodes on eight GPUs, bound network, one thread: processor time a point with
// the store, with its scenario read and its report written. The yardstick, of the same run: the
// same points of a scenario that is loaded once, played and nothing else.
//
//   bench_sweep [POINTS]
#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "sim/heap.h"
#include "tests/bench/cpu_time.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/shipped.h"
#include "tools/study/executor.h"
#include "workloads/routing/trace/trace_cache.h"
#include "workloads/run.h"

using namespace moesim;

int main(int argc, char** argv) {
  moesim::sim::keep_freed_memory();  // as the program does
  std::int64_t points = 64;
  if (argc > 1) {
    const std::string_view text = argv[1];
    std::from_chars(text.data(), text.data() + text.size(), points);
  }
  const std::filesystem::path file = "configs/scenarios/mixtral-8x7b-decode-h100.yaml";
  const tests::TemporaryFolder folder;
  const auto traces = std::make_shared<const workloads::TraceCache>(folder.path() / "traces");

  workloads::Scenario scenario =
      workloads::load_scenario(file, {"network=bound", "step.count=1"}, tools::shipped());
  scenario.deployment.routing.cache = traces;
  (void)workloads::run(scenario);  // fills the cache
  const double begin = tests::cpu_seconds();
  for (std::int64_t i = 1; i <= points; ++i) {
    scenario.step()->ranks = {{workloads::decoding(1 + i % 128, 2048)}};
    (void)workloads::run(scenario);
  }
  const double played = tests::cpu_seconds() - begin;

  const tools::StudySpec spec =
      tools::read_study(file,
                        {.vary = {fmt::format("step.batch_per_rank=1..{}", points)},
                         .measure = {"step_time_us.mean"},
                         .set = {"network=bound", "step.count=1"}},
                        [](const std::string& name) { return std::filesystem::path(name); });
  tools::Store store = tools::Store::create(folder.path() / "sweep.db", spec, "bench");
  const double start = tests::cpu_seconds();
  const tools::SweepCounts counts = tools::sweep(
      spec, store, {.shipped = tools::shipped(), .traces = traces, .version = "bench"});
  store.close();
  const double swept = tests::cpu_seconds() - start;
  const double each = 1e3 / static_cast<double>(points);
  fmt::print("{} points: {:.2f} ms each with the store, {:.2f} ms played alone; {} do not fit\n",
             points, swept * each, played * each, counts.infeasible);
  return counts.done + counts.infeasible == static_cast<std::uint64_t>(points) ? 0 : 1;
}
