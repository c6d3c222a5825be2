// Every problem of a deployment, as a value: its key, what is wrong, what would do.
#include "workloads/deployment/check.h"

#include <doctest/doctest.h>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "tests/support/thrown.h"
#include "tests/workloads/step/hand_scenario.h"
#include "workloads/scenario.h"
#include "workloads/training/read_question.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

std::string text_of(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += problem.key + ": " + problem.text + "\n";
  return text;
}

}  // namespace

TEST_CASE("a deployment whose parts go together has no problem") {
  CHECK(check(hand_deployment(hand_model(), {.dp = 2, .ep = 2})).empty());
  // Of a cluster not all need be used.
  auto d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  d.cluster = hand_cluster(2, 2);
  CHECK(check(d).empty());
}

TEST_CASE("a layout that does not divide is the one problem that is told") {
  auto d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  d.layout = {.pp = 9, .dp = 2, .ep = 3};
  CHECK(text_of(check(d)) ==
        "parallelism: etp x ep = 1 x 3 does not divide the 2 GPUs of a stage (tp x cp x dp = 1 x 1 "
        "x 2); an ep that divides 2 would\n");
}

TEST_CASE("all other problems are told at once, each with its key") {
  // 4 experts and a redundant one on 2 ranks; 3 stages for 1 layer on 6 GPUs of 2.
  auto d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  d.layout.pp = 3;
  d.placement.redundant = 1;
  CHECK(text_of(check(d)) ==
        "cluster: the layout needs 6 GPUs, the cluster has 2\n"
        "parallelism: pp = 3 stages for 1 layers\n"
        "placement: 4 experts and 1 redundant ones do not divide over ep = 2 ranks; "
        "placement.redundant: 0 would do\n");
}

TEST_CASE("slots that do not divide are told once, with the number that would do") {
  // Two mixtures of 4 experts on 3 ranks: 2 more make 6.
  const auto d = hand_deployment(
      hand_model({layer_of(NoMixer{}, hand_moe()), layer_of(NoMixer{}, hand_moe())}),
      {.dp = 3, .ep = 3});
  CHECK(text_of(check(d)) ==
        "placement: 4 experts and 0 redundant ones do not divide over ep = 3 ranks; "
        "placement.redundant: 2 would do\n");
}

TEST_CASE("a placement's file says its own slots") {
  auto d = hand_deployment(hand_model(), {.dp = 3, .ep = 3});
  d.placement.file = "slots.yaml";
  CHECK(check(d).empty());
  d.placement.survive = Survive::Gpu;
  CHECK(text_of(check(d)) == "placement: survive: replicas are where the file has them\n");
}

TEST_CASE("a model without experts has nothing to spread over ep ranks") {
  const auto d =
      hand_deployment(hand_model({layer_of(NoMixer{}, hand_dense())}), {.dp = 2, .ep = 2});
  CHECK(text_of(check(d)) == "parallelism: hand has no experts: leave out ep\n");
}

TEST_CASE("a player is not made for a deployment with problems, and says all of them") {
  auto d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  d.layout.pp = 3;
  CHECK(tests::thrown<sim::ConfigError>(
            [&] { StepPlayer player(d, {.fullest = on_every_rank({decoding(1, 1)})}); }) ==
        "cluster: the layout needs 6 GPUs, the cluster has 2\n"
        "parallelism: pp = 3 stages for 1 layers");
}

TEST_CASE("loads of ranks that the layout has not, or the placement moves, are problems") {
  auto d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  d.routing.ranks.loads = {3, 1};
  CHECK(check(d).empty());
  d.routing.ranks.loads = {3, 1, 1};
  CHECK(text_of(check(d)) == "routing: rank_loads: has 3 loads for ep = 2 ranks\n");
  d.routing.ranks = {.max_over_mean = 2.5};
  CHECK(text_of(check(d)) ==
        "routing: max_over_mean: 2.5 of 2 ranks: one that has everything has 2 times the mean\n");
  // Two different experts of four, two a rank: a rank may have both, twice the mean.
  d.routing.ranks = {.max_over_mean = 2};
  CHECK(check(d).empty());
  // Three of four leave one to the other rank: at most 2 of 1.5.
  std::get<MoeFfn>(d.model.kinds[0].ffn).top_k = 3;
  CHECK(text_of(check(d)).find("would have 2 times the mean, but gets at most 1.333 of it: a token "
                               "chooses 3 different experts of 4\n") != std::string::npos);
  std::get<MoeFfn>(d.model.kinds[0].ffn).top_k = 2;
  d.placement.experts = "eplb";
  CHECK(text_of(check(d)) ==
        "placement: experts: loads of ranks say where experts are, so each has one slot: linear or "
        "round_robin without redundant ones, or a file, would do\n");
}

TEST_CASE("whether a batch or the layout is the problem its type says, not its words") {
  auto document = sim::io::YamlDocument::parse(
      "name: test\nmodel: configs/models/mixtral-8x7b.yaml\n"
      "cluster: configs/clusters/h100-8x8.yaml\n"
      "parallelism: {tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}\n"
      "training: {sequence: 4096, global_batch: 256}\n",
      "x.yaml");
  const Scenario s = read_scenario(document.root());
  const auto of = [&](const TrainingQuestion& question) {
    const auto problems = check(s.deployment, question);
    REQUIRE_FALSE(problems.empty());
    return problems.front().of;
  };
  TrainingQuestion batch = *s.training(), sequence = batch, group = batch;
  batch.global_batch = 258;  // of 4 dp ranks
  CHECK(of(batch) == ProblemOf::Batch);
  sequence.sequence = 4098;  // over tp 4
  CHECK(of(sequence) == ProblemOf::Batch);
  group.sharding_group = 3;  // of 4 ranks
  CHECK(of(group) == ProblemOf::Deployment);
}
