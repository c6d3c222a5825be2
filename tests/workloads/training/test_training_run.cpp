// Whole scenarios: their parts add up, what is asked is answered.
#include "workloads/run_training.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/workloads/training/mixtral_job.h"
#include "tests/workloads/training/rank_sums.h"
#include "workloads/training/training_report.h"

using namespace moesim;
using namespace moesim::workloads;

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
      CHECK(testing::sum_in_picoseconds(rank) == testing::in_picoseconds(report.step_us));
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

TEST_CASE("a run that never ends has no days, and one without a checkpoint says what is assumed") {
  const Scenario never =
      scenario("run: {tokens: 1e12, failures: {gpu_mtbf: 1 h, detect: 5 min, restart: 10 min}}");
  const RunResult result = run(never);
  const auto json = to_json(result, never).at("training").at("goodput");
  CHECK(json.at("ends") == false);
  CHECK(json.at("days").is_null());
  CHECK(json.at("gpu_hours").is_null());
  CHECK(std::ranges::count(result.report.defaults,
                           "training.run.checkpoint is not given: {every: optimal, blocks: 30 s} "
                           "is assumed") == 1);
  const auto assumed = [](const std::string& failures) {
    const Scenario s =
        scenario("run: {tokens: 1e12, failures: {gpu_mtbf: 50000 h" + failures + "}}");
    const std::vector<std::string> defaults = run(s).report.defaults;
    const auto found = std::ranges::find_if(defaults, [](const std::string& text) {
      return text.starts_with("training.run.failures");
    });
    return found == defaults.end() ? std::string() : *found;
  };
  CHECK(assumed(", detect: 0 s, restart: 5 min").empty());
  CHECK(assumed("") ==
        "training.run.failures: detect and restart are not given: 0 s each is assumed");
  CHECK(assumed(", detect: 5 min") ==
        "training.run.failures: restart is not given: 0 s is assumed");
  const Scenario plain = scenario("run: {tokens: 1e12}");
  const auto told = to_json(run(plain), plain).at("training").at("goodput");
  CHECK(told.at("goodput") == 1);
  CHECK(told.at("mtbf_h").is_null());
  CHECK(told.at("checkpoint_every_s").is_null());
  CHECK(told.at("days") > 0);
}

TEST_CASE("exchanges that hold more multiprocessors slow what is woven with them") {
  const auto step = [](const std::string& training) {
    auto document = sim::io::YamlDocument::parse(
        "name: test\nmodel: configs/models/mixtral-8x7b.yaml\n"
        "cluster: configs/clusters/h100-8x8.yaml\nparallelism: {tp: 1, pp: 4, dp: 16, ep: 8}\n"
        "network: bound\nrouting: {law: balanced}\nkernels: {all_to_all: deepep_normal}\n"
        "training: {sequence: 4096, global_batch: 128, schedule: interleaved, virtual_stages: 2, " +
            training + "}\n",
        "x.yaml");
    return report_of(read_scenario(document.root()));
  };
  const TrainingReport few = step("exchange_sms: 8, overlap: {expert: true}"),
                       many = step("exchange_sms: 32, overlap: {expert: true}");
  CHECK(few.held == 8);
  CHECK(many.multiprocessors == 132);
  CHECK(many.beside);
  // A woven pass has 124 or 100 of 132 for products, that arithmetic bounds: 1.24 times as long at
  // most.
  const auto woven = [](const TrainingReport& r) { return r.ranks[1].fb_us; };
  CHECK(woven(many) > 1.1 * woven(few));
  CHECK(woven(many) < 1.25 * woven(few));
  CHECK_FALSE(step("draws: 1").beside);
  // Their buffers have a channel for two multiprocessors: of 8 GPUs' 256 slots of 10,248 B and 20 B
  // each there are 16 in place of 4.
  CHECK(many.memory[1].memory.buffers - few.memory[1].memory.buffers ==
        (16 - 4) * 8 * (256 * 10'248 + 20));
  CHECK(step("exchange_sms: 20").memory[1].memory.buffers ==
        step("draws: 1").memory[1].memory.buffers);
  // Which tokens an expert drops is not known where probabilities say so, and tokens are sent once.
  const auto says = [&](const std::string& training) {
    const auto list = step(training).left_out;
    return std::ranges::count(
        list,
        "probabilities of choices are not in a routing: of an expert's tokens those over its "
        "capacity are the last ones, which changes a little who is sent a token");
  };
  CHECK(says("capacity: {factor: 1, pad: false}") == 1);
  CHECK(says("capacity: {factor: 1, pad: false, drop: position}") == 0);
  CHECK(says("capacity: {factor: 1, pad: true}") == 0);
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

TEST_CASE("throughput, MFU and a run are of the mean of the steps in which GPUs are late") {
  const std::string run = "draws: 1, run: {tokens: 1e12}";
  const RunResult usual = moesim::workloads::run(scenario(run));
  const Scenario asked = scenario(run + ", jitter: {kernel: 0.05, steps: 300}");
  const RunResult result = moesim::workloads::run(asked);
  const Report& r = result.report;
  const TrainingReport& t = *result.training;
  REQUIRE(t.late);
  CHECK_FALSE(usual.training->late);
  const LateSteps& l = *t.late;
  // Stages of 16 GPUs, in two groups of 8: of eight the latest is late by 0.05 x 1.42 on average,
  // and the step by no more than the latest of all 64 would make it, and not by less than a stage.
  CHECK(t.step_us == usual.training->step_us);
  CHECK(l.steps == 300);
  CHECK(l.mean_us > t.step_us * 1.04);
  CHECK(l.mean_us < t.step_us * std::exp(0.05 * 2.35) * 1.01);
  CHECK(l.p10_us < l.p50_us);
  CHECK(l.p50_us < l.p90_us);
  CHECK(l.p90_us < l.p99_us);
  CHECK(l.p99_us <= l.longest_us);
  // What is counted by it.
  CHECK(r.step_times_us.size() == 300);
  CHECK(r.step_time_us.mean == doctest::Approx(l.mean_us).epsilon(1e-12));
  CHECK(r.step_time_us.p99 == doctest::Approx(l.p99_us).epsilon(1e-12));
  const double ratio = l.mean_us / t.step_us;
  CHECK(usual.report.tokens_per_s / r.tokens_per_s == doctest::Approx(ratio));
  CHECK(usual.training->mfu / t.mfu == doctest::Approx(ratio));
  CHECK(usual.training->hfu / t.hfu == doctest::Approx(ratio));
  CHECK(t.goodput->days / usual.training->goodput->days == doctest::Approx(ratio));
  CHECK(r.interval.at("step_time_us").p90 / usual.report.interval.at("step_time_us").p90 ==
        doctest::Approx(ratio));
  CHECK(r.interval.at("tokens_per_s_per_gpu").p10 * ratio ==
        doctest::Approx(usual.report.interval.at("tokens_per_s_per_gpu").p10));
  // Parts of the mean step: what is waited for late GPUs is idle.
  double sum = r.idle_us;
  for (const PhaseReport& phase : r.phases) sum += phase.exposed_us;
  CHECK(sum == doctest::Approx(l.mean_us).epsilon(1e-9));
  const auto json = to_json(result, asked);
  CHECK(json.at("steps") == 300);
  CHECK(json.at("training").at("stragglers").at("mean_us") == l.mean_us);
  CHECK(json.at("training").at("stragglers").at("slowdown") == doctest::Approx(ratio));
  CHECK(json.dump() == to_json(moesim::workloads::run(asked), asked).dump());
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
