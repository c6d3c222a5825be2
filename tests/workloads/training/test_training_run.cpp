// Whole scenarios: their parts add up, and memory is what `moesim memory` plans.
#include "workloads/run_training.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "tests/support/thrown.h"
#include "tests/workloads/training/rank_sums.h"
#include "workloads/routing/trace/trace.h"
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

TEST_CASE("a step of training tells loads that were drawn, and nothing of what it does not know") {
  const Scenario s = scenario("draws: 2", "{law: zipf, skew: 1}");
  const RunResult result = run(s);
  const auto json = to_json(result, s);
  // One in k for expert k in the order of their popularity, two different ones of each token: the
  // first has far more than the mean, and no expert is without.
  CHECK(json.at("expert_load").at("per_layer").size() == 32);
  CHECK(json.at("expert_load").at("max_over_mean") > 2.5);
  CHECK(json.at("expert_load").at("normalised_entropy") < 0.9);
  CHECK(json.at("expert_load").at("dead_experts") == 0);
  // A rank has one expert.
  CHECK(json.at("rank_load").at("max_over_mean") == json.at("expert_load").at("max_over_mean"));
  for (const LayerReport& layer : result.report.layers) {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : layer.expert_counts) sum += count;
    CHECK(sum == 64 * 4096 * 2);
  }
  for (const char* key : {"links", "hottest_link", "time", "waited_for"}) {
    CAPTURE(std::string(key));
    CHECK_FALSE(json.contains(key));
  }
  for (const char* key : {"selections_away", "copies", "copies_away"})
    CHECK_FALSE(json.at("conservation").contains(key));
  for (const auto& phase : json.at("work_per_step")) CHECK_FALSE(phase.contains("network_bytes"));
  // What is waited for is told, and what bounds the step adds up to it.
  CHECK(json.at("phases_us").at("dispatch").at("waiting") > 0);
  CHECK(json.at("phases_us").at("dispatch").at("waiting") <=
        json.at("phases_us").at("dispatch").at("exposed"));
  double sum = 0;
  for (const auto& part : json.at("bottleneck")) sum += part.at("time_us").get<double>();
  CHECK(sum == doctest::Approx(result.report.step_time_us.mean).epsilon(1e-12));
  CHECK(json.at("bottleneck")[0].at("what") == "dispatch: slower ranks");
}

TEST_CASE("a job without experts tells no load of them") {
  auto document = sim::io::YamlDocument::parse(
      "name: test\nmodel: configs/models/llama-2-70b.yaml\nkeep_layers: 4\n"
      "cluster: configs/clusters/h100-1x8.yaml\nparallelism: {tp: 8}\nnetwork: bound\n"
      "training: {sequence: 1024, global_batch: 1, schedule: none}\n",
      "x.yaml");
  const Scenario s = read_scenario(document.root());
  const auto json = to_json(run(s), s);
  CHECK_FALSE(json.contains("expert_load"));
  CHECK_FALSE(json.contains("rank_load"));
  CHECK(json.contains("bottleneck"));
}

TEST_CASE("of many draws only those are made that micro-batches take") {
  // 16 micro-batches of two pipelines, from draw 0 and from draw 3 on: 19 draws.
  const TrainingReport few = report_of(scenario("draws: 19", "{law: zipf, skew: 1}"));
  const TrainingReport many = report_of(scenario("draws: 1000000", "{law: zipf, skew: 1}"));
  CHECK(many.draws == 1'000'000);
  CHECK(many.draws_played == 19);
  CHECK(many.step_us == few.step_us);
  for (std::size_t r = 0; r < 4; ++r)
    CHECK(many.memory[r].memory.peak() == few.memory[r].memory.peak());
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
  const Scenario plain = scenario("run: {tokens: 1e12}");
  const auto told = to_json(run(plain), plain).at("training").at("goodput");
  CHECK(told.at("goodput") == 1);
  CHECK(told.at("mtbf_h").is_null());
  CHECK(told.at("checkpoint_every_s").is_null());
  CHECK(told.at("days") > 0);
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

TEST_CASE("chance never makes a step shorter than one with every expert as busy") {
  // Choices that are alike but for chance, sent once to a rank: by token, by node, by group limits.
  // The balanced law itself sends a token of 8 choices to all 8 ranks, chance to 5.3 of them.
  const auto slowdown = [](const std::string& model, const std::string& keys) {
    auto document = sim::io::YamlDocument::parse(
        "name: test\nmodel: configs/models/" + model +
            ".yaml\nkeep_layers: 4\ncluster: configs/clusters/h100-2x8.yaml\n"
            "network: bound\nrouting: {law: uniform}\n" +
            keys + "training: {sequence: 2048, global_batch: 16, schedule: none, draws: 4}\n",
        "x.yaml");
    return report_of(read_scenario(document.root())).routing_slowdown;
  };
  for (const char* model : {"qwen3-235b-a22b", "deepseek-v3"}) {
    for (const char* keys :
         {"parallelism: {dp: 16, ep: 16}\nkernels: {all_to_all: deepep_normal}\n",
          "parallelism: {dp: 16, ep: 8}\nkernels: {all_to_all: deepep_normal}\n",
          "parallelism: {dp: 16, ep: 16}\nkernels: {all_to_all: nccl}\n"}) {
      CAPTURE(std::string(model));
      CAPTURE(std::string(keys));
      const double slower = slowdown(model, keys);
      CHECK(slower >= 1);
      CHECK(slower < 1.1);
    }
  }
}

TEST_CASE("where experts drop what is over their capacity the report says how much") {
  const TrainingReport all = report_of(scenario("draws: 2", "{law: zipf, skew: 1}"));
  const RunResult result =
      run(scenario("draws: 2, capacity: {factor: 1, pad: false}", "{law: zipf, skew: 1}"));
  const TrainingReport& dropped = *result.training;
  CHECK(all.dropped_share == 0);
  CHECK(dropped.dropped_share > 0.1);
  CHECK(dropped.padding_share == 0);
  CHECK(dropped.step_us < all.step_us);
  // What was chosen is computed or dropped.
  const auto& sums = result.report.conservation;
  CHECK(static_cast<double>(sums.selections - sums.rows) / static_cast<double>(sums.selections) ==
        doctest::Approx(dropped.dropped_share).epsilon(1e-6));
  // Filled up, the same are dropped, and as many rows are computed as there are selections: those
  // that are dropped leave padding.
  const RunResult filled_run =
      run(scenario("draws: 2, capacity: {factor: 1, pad: true}", "{law: zipf, skew: 1}"));
  const TrainingReport& filled = *filled_run.training;
  CHECK(filled.dropped_share == dropped.dropped_share);
  CHECK(filled.padding_share == filled.dropped_share);
  CHECK(filled_run.report.conservation.rows == sums.selections);
  CHECK(filled_run.report.conservation.missing == sums.missing);
  // Twice the room: of two rows for each selection that many have one.
  const TrainingReport wide =
      report_of(scenario("draws: 2, capacity: {factor: 2, pad: true}", "{law: zipf, skew: 1}"));
  CHECK(wide.dropped_share > 0);
  CHECK(wide.dropped_share < dropped.dropped_share);
  CHECK(wide.padding_share == doctest::Approx(1 - (1 - wide.dropped_share) / 2).epsilon(1e-12));
  // With room for all nothing is.
  CHECK(report_of(scenario("draws: 2, capacity: {factor: 8, pad: false}", "{law: zipf, skew: 1}"))
            .dropped_share == 0);
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

TEST_CASE("all draws of a trace are as many as it holds steps") {
  // 1 sequence of 512 tokens on each of two dp ranks of an expert group: 1,024 tokens a step.
  const auto report = [](const std::string& draws, std::int64_t batch) {
    auto document = sim::io::YamlDocument::parse(
        "name: test\nmodel: configs/models/mixtral-8x7b.yaml\nkeep_layers: 2\n"
        "cluster: configs/clusters/h100-1x8.yaml\nparallelism: {dp: 8, ep: 8}\nnetwork: bound\n"
        "routing: {trace: configs/traces/mixtral-like.h5, layers: cycle, tokens: exact}\n"
        "training: {sequence: 128, global_batch: " +
            std::to_string(batch) + ", schedule: none, draws: " + draws + "}\n",
        "x.yaml");
    return report_of(read_scenario(document.root()));
  };
  const std::uint64_t tokens = RoutingTrace::open("configs/traces/mixtral-like.h5").info().tokens;
  const std::uint64_t held = tokens / 1024;
  REQUIRE(held > 3);
  const TrainingReport all = report("all", static_cast<std::int64_t>(8 * held));
  CHECK(all.draws == held);
  CHECK(all.draws_played == static_cast<std::int64_t>(held));
  CHECK(all.draws_error_us > 0);
  CHECK(all.step_us == report(std::to_string(held), static_cast<std::int64_t>(8 * held)).step_us);
  // Fewer micro-batches than draws take so many of them.
  CHECK(report("all", 16).draws_played == 2);
}

TEST_CASE("a trace that holds no step has no draws, and says what would do") {
  auto document = sim::io::YamlDocument::parse(
      "name: test\nmodel: configs/models/mixtral-8x7b.yaml\nkeep_layers: 2\n"
      "cluster: configs/clusters/h100-1x8.yaml\nparallelism: {dp: 8, ep: 8}\nnetwork: bound\n"
      "routing: {trace: configs/traces/mixtral-like.h5, layers: cycle}\n"
      "training: {sequence: 1048576, global_batch: 8, schedule: none, draws: all}\n",
      "x.yaml");
  const Scenario s = read_scenario(document.root());
  const std::uint64_t tokens = RoutingTrace::open("configs/traces/mixtral-like.h5").info().tokens;
  CHECK(tests::thrown<sim::ConfigError>([&] { (void)run(s); }) ==
        "configs/traces/mixtral-like.h5: draws: all: the trace holds " + std::to_string(tokens) +
            " tokens, and a micro-batch of an expert group takes 8388608: training.draws: 8 would "
            "draw them again");
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
