// Whole scenarios: their parts add up, and memory is what `moesim memory` plans.
#include "workloads/run_training.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/io/yaml_reader.h"
#include "workloads/training/training_report.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

Scenario scenario(const std::string& training, const std::string& routing = "{law: balanced}",
                  std::int64_t sequence = 4096) {
  auto document = sim::io::YamlDocument::parse(
      "name: test\nmodel: configs/models/mixtral-8x7b.yaml\n"
      "cluster: configs/clusters/h100-8x8.yaml\n"
      "parallelism: {tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}\nnetwork: bound\nrouting: " +
          routing + "\ntraining: {sequence: " + std::to_string(sequence) + ", global_batch: 64, " +
          training + "}\n",
      "x.yaml");
  return read_scenario(document.root());
}

TrainingReport report_of(const Scenario& s) {
  return *run(s).training;
}

}  // namespace

TEST_CASE("a rank's times add up to the step, whatever the schedule and the overlaps") {
  for (const char* training :
       {"schedule: gpipe", "schedule: 1f1b", "schedule: interleaved, virtual_stages: 2",
        "schedule: zb_h1", "schedule: zb_v", "schedule: dualpipe", "schedule: dualpipe_v",
        "sharding: none", "sharding: gradients", "sharding: weights", "sharding_group: 2",
        "overlap: {gradients: true, parameters: true, tensor: true}", "recompute: [full]",
        "recompute: [moe]", "schedule: interleaved, virtual_stages: 2, overlap: {expert: true}"}) {
    CAPTURE(std::string(training));
    const TrainingReport report = report_of(scenario(training));
    CHECK(report.step_us > 0);
    for (const auto& rank : report.ranks) {
      CHECK(rank.sum() == doctest::Approx(report.step_us).epsilon(1e-9));
      CHECK(rank.bubble_us >= 0);
    }
  }
}

TEST_CASE("training says what of its engine it does not play") {
  Scenario s = scenario("schedule: 1f1b");
  s.deployment.engine = load_engine("configs/engines/vllm-0.19.yaml");
  s.deployment.engine.graphs.reset();
  s.deployment.engine.memory.reset();
  const std::vector<std::string> notes = run(s).report.notes;
  CHECK(notes.front() == "engine file vllm-0.19: its scheduler is not played by a step");
  CHECK(std::ranges::count_if(notes, [](const auto& n) { return n.starts_with("engine file"); }) ==
        1);
}

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
    // The fullest rank's timeline reaches its activations, and ends with none.
    double most = 0;
    for (const auto& [at, bytes] : report.memory_timeline) most = std::max(most, bytes);
    CHECK(most == doctest::Approx(static_cast<double>(plan.gpu().activations)).epsilon(1e-6));
    CHECK(report.memory_timeline.back().second == 0);
  }
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

TEST_CASE("skewed routing is slower than balanced, and told so") {
  CHECK(report_of(scenario("schedule: 1f1b")).routing_slowdown == 1);
  const TrainingReport skewed = report_of(scenario("draws: 2", "{law: zipf, skew: 1}"));
  CHECK(skewed.routing_slowdown > 1.05);
  CHECK(skewed.draws == 2);
}

TEST_CASE("interleaved stages have the smaller bubble") {
  const double plain = report_of(scenario("schedule: 1f1b")).bubble_schedule_share;
  const double cut =
      report_of(scenario("schedule: interleaved, virtual_stages: 4")).bubble_schedule_share;
  // (p - 1) / (m + p - 1) = 3 / 19; with 4 chunks 3 / 67.
  CHECK(plain == doctest::Approx(3.0 / 19).epsilon(1e-6));
  CHECK(cut == doctest::Approx(3.0 / 67).epsilon(1e-6));
}

TEST_CASE("what does not fit says what would do, and equal questions have equal bytes") {
  const Scenario s = scenario("schedule: gpipe", "{law: balanced}", 16384);
  const RunResult result = run(s);
  CHECK_FALSE(result.report.memory.fits);
  CHECK(result.report.memory.advice.find("training.recompute: [full] would do") !=
        std::string::npos);
  CHECK(to_json(result, s).dump() == to_json(run(s), s).dump());
}

TEST_CASE(
    "a timeline has the passes of a pipeline, and in the middle rank's what they are made of") {
  const RunResult result = run(scenario("schedule: 1f1b"), {.keep_timeline = true});
  REQUIRE(result.recording);
  const Recording& r = *result.recording;
  CHECK(r.graph.ranks() == 4);
  std::size_t passes = 0, inside = 0, dispatches = 0;
  for (sim::OpId id = 0; id < r.graph.size(); ++id) {
    const sim::Label& label = r.graph.label(r.graph.op(id).label);
    if (label.phase == index_of(Phase::Pipeline)) {
      ++passes;
      continue;
    }
    ++inside;
    CHECK(r.graph.op(id).rank == 2);
    dispatches += label.name.starts_with("dispatch L");
    CHECK(r.timeline.spans[id].end <= r.timeline.finish);
  }
  // 16 micro-batches forward and backward on four ranks; 8 mixture layers a stage, a dispatch each
  // forward.
  CHECK(passes == 4 * 2 * 16);
  CHECK(dispatches == 8 * 16);
  CHECK(inside > dispatches);
}

TEST_CASE("a run whose routing drifts is as long as its parts are") {
  const std::string trace = "{trace: configs/traces/mixtral-like.h5}";
  const auto with_run = [&](const std::string& routing) {
    return report_of(scenario("draws: 1, run: {tokens: 1e12" + routing + "}", trace));
  };
  const TrainingReport plain = with_run("");
  const TrainingReport same = with_run(
      ", routing: [{from: 0, trace: configs/traces/mixtral-like.h5}, {from: 50%, trace: "
      "configs/traces/mixtral-like.h5}]");
  REQUIRE(same.run_steps.size() == 2);
  CHECK(same.run_steps[1].first == 0.5);
  CHECK(same.run_steps[1].second == same.step_us);
  CHECK(same.goodput->days == doctest::Approx(plain.goodput->days).epsilon(1e-9));
}

TEST_CASE("an encoder and its decoder are trained, cross attention and all") {
  auto document = sim::io::YamlDocument::parse(
      "name: test\nmodel: configs/models/t5-base.yaml\ncluster: configs/clusters/h100-1x8.yaml\n"
      "parallelism: {dp: 8}\nnetwork: bound\nhost: {graphs: all}\ntraining: {sequence: 512, "
      "global_batch: 128, micro_batch: 16, schedule: none}\n",
      "x.yaml");
  const RunResult result = run(read_scenario(document.root()));
  CHECK(result.training->step_us > 0);
  // The arithmetic of products is three times the forward's, of cores three and a half times.
  CHECK(result.training->hardware_flops > 0.9 * result.training->flops.model_causal);
}
