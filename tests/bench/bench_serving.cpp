// Serving runs (workloads/serving): what a run costs before and after its prices are known, an
// iteration, and peak memory.
//
//   bench_serving [requests [scenario [key=value …]]]
#include <fmt/format.h>
#include <sys/resource.h>

#include <ctime>
#include <string>
#include <vector>

#include "sim/heap.h"
#include "workloads/run_serving.h"
#include "workloads/scenario.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

}  // namespace

int main(int argc, char** argv) {
  moesim::sim::keep_freed_memory();  // as the program does
  const std::string requests = argc > 1 ? argv[1] : "3000";
  const std::string file = argc > 2 ? argv[2] : "configs/scenarios/mixtral-8x7b-serving-h100.yaml";
  std::vector<std::string> overrides{"serving.requests.count=" + requests};
  for (int i = 3; i < argc; ++i) overrides.push_back(argv[i]);
  const Scenario scenario = load_scenario(file, overrides, {.engines = "configs/engines"});

  double begin = cpu_seconds();
  serving::Service service(scenario.deployment, *scenario.serving());
  const double opening = cpu_seconds() - begin;
  const auto play = [&] {
    begin = cpu_seconds();
    const serving::ServingReport report = service.play().report;
    return std::pair(cpu_seconds() - begin, report);
  };
  const auto [first, report] = play();
  const auto [again, same] = play();
  const serving::ServingReport::IterationError error = serving::error_of(service.cost().check());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print(
      "{}: {} ranks, {} requests, {} iterations of {:.1f} tokens; opening {:.3f} s; first run "
      "{:.3f} s, again {:.3f} s: {:.2f} us an iteration; off by {:.2f} % (worst {:.2f} %); peak {} "
      "MiB\n",
      scenario.deployment.model.name, scenario.deployment.layout.dp, report.completed,
      report.iterations, report.tokens_per_iteration_mean, opening, first, again,
      again * 1e6 / static_cast<double>(same.iterations), error.mean_percent, error.max_percent,
      usage.ru_maxrss / 1024);
  return report.completed == same.completed ? 0 : 1;
}
