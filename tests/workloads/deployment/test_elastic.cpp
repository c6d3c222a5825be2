// An engine that goes on without GPUs that are lost.
#include "workloads/deployment/elastic.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "tests/support/thrown.h"
#include "tests/workloads/step/hand_scenario.h"
#include "workloads/deployment/check.h"
#include "workloads/run.h"
#include "workloads/serving/read_question.h"

using namespace moesim;
using namespace moesim::testing;
using moesim::tests::thrown;

namespace {

// Mixtral on 8 H100, each of its 8 experts twice, with the faults.
Scenario scenario(const std::string& faults, const std::string& lines,
                  const std::string& parallelism = "{dp: 8, ep: 8}") {
  auto document = sim::io::YamlDocument::parse(
      "name: test\n"
      "model: configs/models/mixtral-8x7b.yaml\n"
      "cluster: {file: configs/clusters/h100-1x8.yaml, faults: " +
          faults + "}\nparallelism: " + parallelism +
          "\nstep: {phase: decode, batch_per_rank: 32, context: 1024}\nnetwork: bound\n"
          "routing: {law: zipf, skew: 0.5}\n" +
          lines,
      "x.yaml");
  return read_scenario(document.root());
}

const std::string kTwice = "placement: {experts: eplb, redundant: 8, survive: gpu}\n";
const std::string kElastic = kTwice + "engine: {elastic: true}\n";

std::string message(const std::string& faults, const std::string& lines,
                    const std::string& parallelism = "{dp: 8, ep: 8}") {
  return thrown<sim::ConfigError>([&] { (void)scenario(faults, lines, parallelism); });
}

}  // namespace

TEST_CASE("dp and ep shrink by the GPUs that are lost, and so do the slots") {
  // 16 slots on 8 ranks, two each: 14 on 7, which are 6 beyond the 8 experts.
  const Deployment d = scenario("[{gpu: 3, absent: true}]", kElastic).deployment;
  CHECK(d.layout.dp == 7);
  CHECK(d.layout.ep == 7);
  CHECK(d.placement.redundant == 6);
  CHECK(d.placement.lost == std::vector<std::uint32_t>{3});
  CHECK(check(d).empty());
}

TEST_CASE("replicas take the rows of a GPU that is lost, and nothing is faster for it") {
  const RunResult whole = run(scenario("[]", kElastic));
  const RunResult left = run(scenario("[{gpu: 3, absent: true}]", kElastic));
  // Top 2 of 32 sequences on each of 8 ranks, and on 7, in 32 layers: all are computed.
  CHECK(whole.report.conservation.rows == std::int64_t{2} * 32 * 8 * 32);
  CHECK(left.report.conservation.rows == std::int64_t{2} * 32 * 7 * 32);
  CHECK(left.report.gpus == 7);
  CHECK(left.report.tokens_per_s < whole.report.tokens_per_s);
  CHECK(left.report.memory.weights == whole.report.memory.weights);  // as many slots each
  REQUIRE(whole.report.survives);
  CHECK(whole.report.survives->any_gpu);
  CHECK_FALSE(whole.report.survives->any_node);
  // Each expert was there twice: of those on rank 3 one replica is left, so not any GPU may go.
  CHECK_FALSE(left.report.survives->any_gpu);
}

TEST_CASE("an engine that could go on and has lost nothing is the same") {
  const Scenario plain = scenario("[]", kTwice), elastic = scenario("[]", kElastic);
  sim::io::Json a = to_json(run(plain), plain), b = to_json(run(elastic), elastic);
  CHECK(b["scenario"]["elastic"] == true);
  b["scenario"].erase("elastic");
  CHECK(a == b);
}

TEST_CASE("a GPU that is lost and has no other, by whom and why nothing goes on") {
  const std::string start =
      "x.yaml:3:10: cluster: the layout needs 8 GPUs, the cluster has 7 and 1 of the layout's is "
      "lost; ";
  CHECK(
      message("[{gpu: 3, absent: true}]", kTwice) ==
      start +
          "the engine is down until it is started anew: engine.elastic: true is one that goes on");
  CHECK(message("[{gpu: 3, absent: true}]", "engine: {elastic: true}\n") ==
        start +
            "engine.elastic: 7 GPUs hold 7 expert slots, and there are 8 experts: the engine is "
            "down until it is started anew; placement.redundant: 8 would leave enough");
  CHECK(
      message("[{gpu: 3, absent: true}]", "engine: {elastic: true}\n", "{tp: 2, dp: 4, ep: 8}") ==
      start +
          "engine.elastic: goes on where each rank is a GPU of one group of experts: dp = ep with "
          "tp, cp, pp and etp of 1 would do");
}

TEST_CASE("an expert that nobody else holds is lost with its GPU") {
  // Slots 0 1 2 … 7 0 1 …, two a rank: rank 0 has experts 0 and 1, which rank 4 has, too. With both
  // they are lost.
  const std::string lines = "placement: {experts: linear, redundant: 8}\nengine: {elastic: true}\n";
  CHECK(run(scenario("[{gpu: 0, absent: true}]", lines)).report.gpus == 7);
  CHECK(thrown<sim::InfeasibleError>([&] {
          (void)run(scenario("[{gpu: 0, absent: true}, {gpu: 4, absent: true}]", lines));
        }) ==
        "mixture layer 0: with ranks 0, 4 of the experts' ranks expert 0 is lost: the engine is "
        "down until it is started anew; placement.survive: gpu, with a redundant slot for each "
        "expert, keeps every expert on two GPUs, and node on two nodes");
}

TEST_CASE("GPUs that are left over replace those that are lost") {
  // Four of eight are asked for: one less is there still.
  const Deployment d = scenario("[{gpu: 0, absent: true}]", kTwice, "{dp: 4, ep: 4}").deployment;
  CHECK(d.placement.lost.empty());
  CHECK(d.layout.dp == 4);
}

TEST_CASE("what is to be survived has a placement that knows of it") {
  CHECK(message("[]", "placement: {redundant: 8, survive: gpu}\n") ==
        "x.yaml:8:36: placement.survive: eplb puts replicas apart for it: experts: eplb would do");
  CHECK(message("[]", "placement: {experts: eplb, survive: gpu}\n") ==
        "x.yaml:8:12: placement: survive: gpu: 8 slots cannot hold 8 experts twice; "
        "placement.redundant: 8 would do");
  CHECK(message("[]", "placement: {experts: eplb, redundant: 8, survive: node}\n") ==
        "x.yaml:8:12: placement: survive: node: the experts are on one node, and with it all are "
        "lost: ranks on two nodes or more would do");
}

TEST_CASE("an engine of several pools loses none of them alone") {
  Deployment d = scenario("[{gpu: 3, absent: true}]", kElastic).deployment;
  serving::ServingQuestion question;
  question.pool.layout = d.layout;
  question.pool.replicas = 2;
  const auto problems = serving::check(d, question);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].key == "serving");
  CHECK(problems[0].text ==
        "GPUs of one engine are lost: a service of it alone, without pools and with one replica, "
        "would do");
}

TEST_CASE("a node that is lost takes its ranks, and a placement apart by nodes holds all") {
  auto document = sim::io::YamlDocument::parse(
      "name: test\nmodel: configs/models/mixtral-8x7b.yaml\n"
      "cluster: {file: configs/clusters/h100-2x8.yaml, faults: [{node: 1, absent: true}]}\n"
      "parallelism: {dp: 16, ep: 16}\n"
      "step: {phase: decode, batch_per_rank: 8, context: 1024}\nnetwork: bound\n"
      "placement: {experts: eplb, redundant: 8, survive: node}\nengine: {elastic: true}\n",
      "x.yaml");
  const Scenario s = read_scenario(document.root());
  CHECK(s.deployment.placement.lost == std::vector<std::uint32_t>{8, 9, 10, 11, 12, 13, 14, 15});
  CHECK(s.deployment.placement.redundant == 0);
  const RunResult left = run(s);
  CHECK(left.report.gpus == 8);
  CHECK(left.report.conservation.rows == std::int64_t{2} * 8 * 8 * 32);
  // Of two replicas of each expert one is left.
  CHECK_FALSE(left.report.survives->any_gpu);
}
