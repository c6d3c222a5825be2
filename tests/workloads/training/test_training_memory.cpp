// Memory over time of whole scenarios is what `moesim memory` plans.
#include "workloads/run_training.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/workloads/training/hand_training.h"
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

TEST_CASE("memory with sharded weights and groups is what the plan says") {
  struct Row {
    const char* training;
    Sharding sharding;
    std::int64_t group;
  };
  for (const Row& row : {Row{"sharding: weights", Sharding::Weights, 0},
                         Row{"sharding: weights, sharding_group: 2", Sharding::Weights, 2},
                         Row{"sharding: gradients, sharding_group: 2", Sharding::Gradients, 2},
                         Row{"sharding_group: 1", Sharding::Optimizer, 1}}) {
    CAPTURE(std::string(row.training));
    const Scenario s = scenario(row.training);
    TrainingLoad load;
    load.microbatches = 16;
    load.sharding = row.sharding;
    load.sharding_group = row.group;
    const TrainingPlan plan =
        plan_training(s.deployment.model, s.deployment.layout, load, s.deployment.cluster.device);
    const TrainingReport report = report_of(s);
    for (std::size_t r = 0; r < 4; ++r)
      CHECK(report.memory[r].memory.peak() == plan.stages[r].peak());
  }
}

TEST_CASE("a capacity is what rows of experts take, filled up or not") {
  const auto activations = [](const std::string& capacity,
                              const std::string& routing = "{law: balanced}") {
    const TrainingReport report = report_of(scenario("draws: 2" + capacity, routing));
    return static_cast<double>(report.memory[0].memory.activations);
  };
  // Of a share of the selections each has a unit of rows; factors of F have F.
  const double none = activations("");
  const double twice = activations(", capacity: {factor: 2, pad: true}");
  const double unit = twice - none;
  CHECK(unit > 0);
  CHECK(activations(", capacity: {factor: 1, pad: true}") == doctest::Approx(none));
  CHECK(activations(", capacity: {factor: 6, pad: true}") == doctest::Approx(none + 5 * unit));
  CHECK(activations(", capacity: {factor: 0.5, pad: true}") == doctest::Approx(none - unit / 2));
  // Not filled up no expert has more than its tokens, nor than its capacity.
  CHECK(activations(", capacity: {factor: 2, pad: false}") == doctest::Approx(none));
  CHECK(activations(", capacity: {factor: 0.5, pad: false}") == doctest::Approx(none - unit / 2));
  const double skewed = activations("", "{law: zipf, skew: 1}");
  CHECK(activations(", capacity: {factor: 8, pad: false}", "{law: zipf, skew: 1}") ==
        doctest::Approx(skewed).epsilon(0.005));  // tokens are drawn one by one, other ones
  CHECK(activations(", capacity: {factor: 1, pad: false}", "{law: zipf, skew: 1}") < skewed);
  CHECK(activations(", capacity: {factor: 1, pad: false}", "{law: zipf, skew: 1}") <=
        none * (1 + 1e-9));
}

TEST_CASE("memory of a run whose routing drifts is its fullest part's") {
  // Two sequences of 64 tokens, one a rank of two that have two experts each: all choices of one
  // trace are of the first rank's experts, of the other of all four's in turn.
  const tests::TemporaryFolder folder;
  const auto trace = [&](const std::string& name, std::uint16_t experts) {
    std::vector<ExpertId> ids;
    for (int i = 0; i < 256; ++i) ids.push_back(static_cast<ExpertId>(i % experts));
    TraceWriter writer(folder.path() / name, {.layers = 1, .experts = 4, .top_k = 2});
    writer.append({.ids = ids});
    writer.close();
    return folder.path() / name;
  };
  const auto even = trace("even.h5", 4), skewed = trace("skewed.h5", 2);
  Scenario s;
  s.deployment = testing::hand_training_deployment(even);
  TrainingQuestion q = testing::hand_question();
  q.sequence = 64;
  const auto with_run = [&](const std::vector<RunRouting>& routing) {
    q.run = RunPlan{.tokens = 1e6, .routing = routing};
    s.question = q;
    return run(s);
  };
  const RunResult same = with_run({{0, even}, {0.5, even}});
  const RunResult drifts = with_run({{0, even}, {0.5, skewed}});
  // The first part's, and nothing is said.
  CHECK_FALSE(same.training->memory_from);
  REQUIRE(drifts.training->memory_from);
  CHECK(*drifts.training->memory_from == 0.5);
  // Of the fullest rank twice the rows: as of a run that begins so.
  s.deployment.routing.trace = skewed;
  const RunResult begins = with_run({});
  CHECK(drifts.training->memory[0].memory.activations ==
        begins.training->memory[0].memory.activations);
  CHECK(drifts.report.memory.peak == begins.report.memory.peak);
  CHECK(drifts.report.memory.peak > same.report.memory.peak);
  CHECK(std::ranges::count(
            drifts.report.notes,
            "memory is of the part of the run from 50 % on, its fullest: skewed.h5") == 1);
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
