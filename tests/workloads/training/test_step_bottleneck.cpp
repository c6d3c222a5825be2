#include "workloads/training_bottleneck.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

using namespace moesim::workloads;

TEST_CASE("a step is divided by what limits it, and the parts add up to it") {
  // 100 us: experts 60, three quarters of them arithmetic; a dispatch of 20, of which 12 for slower
  // ranks; others 7, of which the optimizer is 5; host 3; idle 10, of which 8 are bubble.
  Report report;
  report.step_time_us.mean = 100;
  report.phases[index_of(Phase::Experts)].exposed_us = 60;
  report.phases[index_of(Phase::Dispatch)] = {.exposed_us = 20, .waiting_us = 12};
  report.phases[index_of(Phase::Other)].exposed_us = 7;
  report.phases[index_of(Phase::Host)].exposed_us = 3;
  report.idle_us = 10;
  TrainingReport training;
  training.step_us = 100;
  training.ranks = {{.bubble_us = 6, .optimizer_us = 4}, {.bubble_us = 10, .optimizer_us = 6}};
  PhaseBounds bounds{};
  bounds[index_of(Phase::Experts)] = {0, 3, 1};
  bounds[index_of(Phase::Other)] = {0, 0, 9};
  const auto told = [&] {
    std::vector<std::pair<std::string, double>> list;
    for (const BottleneckReport& part : bottleneck_of(report, training, bounds)) {
      CHECK(part.share == doctest::Approx(part.time_us / report.step_time_us.mean));
      list.emplace_back(part.what, part.time_us);
    }
    return list;
  };
  using List = std::vector<std::pair<std::string, double>>;
  CHECK(told() == List{{"experts: arithmetic", 45},
                       {"experts: memory bandwidth", 15},
                       {"dispatch: slower ranks", 12},
                       {"dispatch: network", 8},
                       {"idle: pipeline bubble", 8},
                       {"optimizer", 5},
                       {"host", 3},
                       {"other: memory bandwidth", 2},
                       {"idle", 2}});
  // Late GPUs make the mean step 25 longer, and that is idle.
  report.step_time_us.mean = 125;
  report.idle_us = 35;
  training.late = LateSteps{.mean_us = 125};
  CHECK(told().at(1) == std::pair<std::string, double>{"idle: late GPUs", 25});
}
