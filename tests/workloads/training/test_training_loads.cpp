// What the routing of whole scenarios costs: loads, draws, drops, drift.
#include "workloads/run_training.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/thrown.h"
#include "tests/workloads/training/mixtral_job.h"
#include "workloads/routing/trace/trace.h"
#include "workloads/training/training_report.h"

using namespace moesim;
using namespace moesim::workloads;

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
