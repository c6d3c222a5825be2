// Memory over time of whole scenarios is what `moesim memory` plans.
#include "workloads/run_training.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/workloads/training/mixtral_job.h"
#include "workloads/training/training_report.h"

using namespace moesim;
using namespace moesim::workloads;

TEST_CASE("memory is what the plan of gpipe, 1f1b and interleaved says") {
  struct Row {
    const char* training;
    Schedule schedule;
    std::int64_t virtual_stages;
  };
  for (const Row& row :
       {Row{"schedule: gpipe", Schedule::GPipe, 1},
        Row{"schedule: 1f1b", Schedule::OneForwardOneBackward, 1},
        Row{"schedule: interleaved, virtual_stages: 2", Schedule::Interleaved, 2},
        Row{"schedule: interleaved, virtual_stages: 8", Schedule::Interleaved, 8}}) {
    CAPTURE(std::string(row.training));
    const Scenario s = scenario(row.training);
    TrainingLoad load;
    load.sequence = 4096;
    load.microbatches = 16;
    load.schedule = row.schedule;
    load.virtual_stages = row.virtual_stages;
    const TrainingPlan plan =
        plan_training(s.deployment.model, s.deployment.layout, load, s.deployment.cluster.device);
    const TrainingReport report = report_of(s);
    REQUIRE(report.memory.size() == 4);
    for (std::size_t r = 0; r < 4; ++r) {
      CAPTURE(r);
      CHECK(report.memory[r].memory.peak() == plan.stages[r].peak());
      CHECK(report.memory[r].memory.activations == plan.stages[r].activations);
    }
    // Each rank's timeline reaches its activations, and ends with none.
    REQUIRE(report.memory_timeline.size() == 4);
    for (std::size_t r = 0; r < 4; ++r) {
      const TrainingReport::Kept& kept = report.memory_timeline[r];
      CHECK(kept.rank == static_cast<std::int64_t>(r));
      double most = 0;
      for (const auto& [at, bytes] : kept.instants) most = std::max(most, bytes);
      CHECK(most == doctest::Approx(static_cast<double>(plan.stages[r].activations)).epsilon(1e-6));
      CHECK(kept.instants.back().second == 0);
    }
  }
}

TEST_CASE("what a rank keeps over time reaches its plan where experts are not equally busy, too") {
  const TrainingReport report = report_of(scenario("draws: 2", "{law: zipf, skew: 1}"));
  REQUIRE(report.memory_timeline.size() == report.memory.size());
  for (std::size_t r = 0; r < report.memory.size(); ++r) {
    double most = 0;
    for (const auto& [at, bytes] : report.memory_timeline[r].instants) most = std::max(most, bytes);
    CHECK(most ==
          doctest::Approx(static_cast<double>(report.memory[r].memory.activations)).epsilon(1e-6));
  }
}

TEST_CASE("what weights' gradients need stays until they are computed") {
  for (const std::string schedule : {"schedule: zb_h1", "schedule: zb_v", "schedule: dualpipe"}) {
    CAPTURE(schedule);
    const Scenario s = scenario(schedule);
    const TrainingReport report = report_of(s);
    for (std::size_t r = 0; r < report.memory.size(); ++r) {
      CAPTURE(r);
      double most = 0;
      const auto& instants = report.memory_timeline[r].instants;
      for (const auto& [at, bytes] : instants) most = std::max(most, bytes);
      CHECK(
          most ==
          doctest::Approx(static_cast<double>(report.memory[r].memory.activations)).epsilon(1e-6));
      CHECK(instants.back().second == 0);
    }
  }
  // The last of four stages of zb_h1 has one micro-batch forward at a time and computes weights
  // three later: F0 B0 F1 B1 F2 B2 F3 B3 W0 F4 B4 W1 ... Beside F3 and F4 three wait for their
  // weights, after B3 four.
  const TrainingReport report = report_of(scenario("schedule: zb_h1"));
  const auto& instants = report.memory_timeline[3].instants;
  const double pass = instants[0].second, waits = instants[1].second;
  CHECK(waits > 0);
  CHECK(report.memory[3].memory.activations ==
        doctest::Approx(std::max(pass + 3 * waits, 4 * waits)).epsilon(1e-6));
}

TEST_CASE("a timeline is told by few instants, the fullest and the last among them") {
  std::vector<std::pair<double, double>> instants;
  for (int i = 0; i < 250; ++i) instants.emplace_back(i, i == 121 ? 9 : i % 5);
  const auto few = thinned(instants, 100);
  // Every third, which are 84, and these two: 121 is no third, 249 is.
  CHECK(few.size() == 85);
  CHECK(few.front() == instants.front());
  CHECK(few.back() == instants.back());
  CHECK(std::ranges::count(few, instants[121]) == 1);
  CHECK(std::ranges::is_sorted(few, {}, [](const auto& one) { return one.first; }));
  for (const std::size_t size : {100u, 101u, 102u, 197u, 250u, 12'345u})
    CHECK(thinned(std::vector<std::pair<double, double>>(size), 100).size() <= 100);
  instants.resize(100);
  CHECK(thinned(instants, 100) == instants);
  // As JSON every rank has its own.
  const Scenario s = scenario("schedule: 1f1b");
  const auto json = to_json(run(s), s).at("training").at("memory_timeline");
  REQUIRE(json.size() == 4);
  CHECK(json[3].at("rank") == 3);
  // 16 micro-batches come and go.
  CHECK(json[3].at("instants") == 32);
  CHECK(json[3].at("at_us").size() == 32);
  CHECK(json[3].at("activations_bytes").size() == 32);
}

TEST_CASE("recomputation costs time and frees memory") {
  const TrainingReport none = report_of(scenario("schedule: 1f1b"));
  const TrainingReport act = report_of(scenario("recompute: [moe_act, layernorm]"));
  const TrainingReport full = report_of(scenario("recompute: [full]"));
  CHECK(none.step_us < act.step_us);
  CHECK(act.step_us < full.step_us);
  CHECK(none.memory[0].memory.activations > act.memory[0].memory.activations);
  CHECK(act.memory[0].memory.activations > full.memory[0].memory.activations);
  // Full recomputation is another forward pass: a third more arithmetic, less what has none in a
  // layer (the head).
  CHECK(full.hardware_flops / none.hardware_flops == doctest::Approx(4.0 / 3).epsilon(0.02));
  CHECK(full.hfu > full.mfu);
  CHECK(full.flops.model_causal == none.flops.model_causal);
}
