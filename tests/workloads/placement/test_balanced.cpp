#include <doctest/doctest.h>

#include <cmath>

#include "sim/error.h"
#include "workloads/placement/balanced.h"
#include "workloads/placement/evaluation.h"
#include "workloads/routing/laws/laws.h"

using namespace moesim::workloads;
using moesim::sim::ConfigError;

namespace {

// Evidence of one layer, its tokens spread evenly over the nodes.
PlacementEvidence evidence_of(const std::vector<std::uint64_t>& loads, std::uint32_t nodes) {
  PlacementEvidence evidence;
  evidence.loads = LoadTable(1, static_cast<std::uint32_t>(loads.size()));
  evidence.loads.counts = loads;
  evidence.from_node.assign(nodes, evidence.loads);
  evidence.pairs.assign(1, std::vector<std::uint32_t>(loads.size() * loads.size()));
  return evidence;
}

void pair(PlacementEvidence& evidence, std::uint32_t a, std::uint32_t b, std::uint32_t count) {
  evidence.pairs[0][a * evidence.loads.experts + b] = count;
  evidence.pairs[0][b * evidence.loads.experts + a] = count;
}

std::vector<ExpertId> slots(const ExpertPlacement& placement) {
  const auto span = placement.layer(0).slot_expert();
  return {span.begin(), span.end()};
}

}  // namespace

TEST_CASE("greedy exchanges what packing alone leaves uneven") {
  // 8 7 6 5 4 1 on two ranks of three: packing gives 8 5 4 = 17 and 7 6 1 = 14; exchanging 8 for 7
  // leaves 16 and 15, the best there is for a sum of 31.
  const auto placement = greedy_placement({{6, 0, 2}, 1, 1}, evidence_of({8, 7, 6, 5, 4, 1}, 1));
  int first = 0;
  const std::vector<int> load{8, 7, 6, 5, 4, 1};
  for (std::size_t s = 0; s < 3; ++s) first += load[slots(placement)[s]];
  CHECK((first == 15 || first == 16));
}

TEST_CASE("experts that are chosen together come to one node") {
  // 4 experts of equal load on 2 nodes of one rank each: 0 with 3, 1 with 2.
  auto evidence = evidence_of({10, 10, 10, 10}, 2);
  pair(evidence, 0, 3, 10);
  pair(evidence, 1, 2, 10);
  const auto layer = coactivation_placement({{4, 0, 2}, 1, 2}, evidence).layer(0);
  CHECK(layer.rank_of_slot(layer.replicas(0)[0]) == layer.rank_of_slot(layer.replicas(3)[0]));
  CHECK(layer.rank_of_slot(layer.replicas(1)[0]) == layer.rank_of_slot(layer.replicas(2)[0]));
}

TEST_CASE("togetherness does not unbalance the nodes") {
  // 0 and 1 go together but have all the load: apart they stay, since together one node had it all.
  auto evidence = evidence_of({10, 10, 0, 0}, 2);
  pair(evidence, 0, 1, 10);
  const auto layer = coactivation_placement({{4, 0, 2}, 1, 2}, evidence).layer(0);
  CHECK(layer.rank_of_slot(layer.replicas(0)[0]) != layer.rank_of_slot(layer.replicas(1)[0]));
}

TEST_CASE("an expert lives on the node that asks for it") {
  // Node 0 asks for experts 2 and 3, node 1 for 0 and 1.
  auto evidence = evidence_of({8, 8, 8, 8}, 2);
  evidence.from_node[0].counts = {0, 0, 8, 8};
  evidence.from_node[1].counts = {8, 8, 0, 0};
  const auto layer = topology_placement({{4, 0, 4}, 1, 2}, evidence).layer(0);
  CHECK(layer.rank_of_slot(layer.replicas(2)[0]) < 2);
  CHECK(layer.rank_of_slot(layer.replicas(3)[0]) < 2);
}

TEST_CASE("a node's redundant slots hold what its tokens ask for and it lacks") {
  // Both nodes ask for expert 0 most: it lives on one and is repeated on the other.
  const auto evidence = evidence_of({90, 10, 10, 10}, 2);
  const auto layer = topology_placement({{4, 2, 2}, 1, 2}, evidence).layer(0);
  REQUIRE(layer.replicas(0).size() == 2);
  CHECK(layer.rank_of_slot(layer.replicas(0)[0]) != layer.rank_of_slot(layer.replicas(0)[1]));
}

TEST_CASE(
    "every placement holds every expert, conserves the rows, and balances better than linear") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    LawSource source({.law = Law::LogNormal,
                      .skew = 1,
                      .layers = 2,
                      .experts = 64,
                      .top_k = 4,
                      .tokens_per_step = 16 * 64,
                      .seed = seed});
    const auto sources = even_sources(16, 64, 8);
    const auto evidence = gather_evidence(source, {{0, sources}}, {.steps = 4, .pairs = true});
    const auto linear = evaluate(linear_placement({64, 0, 16}), source, sources, {4, 2});
    for (const std::string& name : placement_names()) {
      for (const std::uint32_t redundant : {0u, 16u}) {
        CAPTURE(name);
        CAPTURE(redundant);
        const auto placement = make_placement(name, {{64, redundant, 16}, 8, 2}, evidence);
        LayerRouting routing;
        DispatchCounts counts;
        source.route({4, 1, 0, 1024}, routing);
        count_dispatch(routing, placement.layer(1), sources, {}, counts);
        std::uint32_t rows = 0;
        for (std::uint32_t r = 0; r < 16; ++r) rows += counts.rank_rows(r);
        CHECK(rows == 1024 * 4);
        const auto score = evaluate(placement, source, sources, {4, 2});
        if (needs_evidence(name) && name != "coactivation") {
          CHECK(score.rank_max_over_mean < linear.rank_max_over_mean);
        }
        if (name == "topology" && redundant > 0)
          CHECK(score.network_copies < linear.network_copies);
      }
    }
  }
}

TEST_CASE("co-activation saves visits to nodes where experts do go together") {
  // Group-limited tokens: 2 of 8 groups of 8 experts each. The experts of a group are scattered by
  // dealing them round robin; the placement finds the groups again.
  LawSource source({.law = Law::Uniform,
                    .experts = 64,
                    .top_k = 4,
                    .tokens_per_step = 16 * 256,
                    .groups = 8,
                    .groups_per_token = 2});
  const auto sources = even_sources(16, 256, 4);
  const auto evidence = gather_evidence(source, {{0, sources}}, {.steps = 1, .pairs = true});
  const EplbShape shape{{64, 0, 16}, 8, 4};
  const auto scattered = evaluate(round_robin_placement(shape.plan), source, sources, {1, 1});
  const auto together = evaluate(coactivation_placement(shape, evidence), source, sources, {1, 1});
  // Scattered: 4 choices over 4 nodes visit about 2.7; together: 2 groups, at most 2 nodes.
  CHECK(scattered.nodes_per_token > 2.5);
  CHECK(together.nodes_per_token < 2);
  CHECK(together.network_copies < scattered.network_copies);
}

TEST_CASE("a placement that there is not, or that does not divide, is an error") {
  CHECK_THROWS_WITH_AS(needs_evidence("best"),
                       "expected a placement, one of linear, round_robin, greedy, coactivation, "
                       "topology, eplb, not \"best\"",
                       ConfigError);
  CHECK_THROWS_WITH_AS(
      topology_placement({{6, 1, 7}, 1, 2}, evidence_of({1, 1, 1, 1, 1, 1}, 2)),
      "topology: 6 experts, 1 redundant ones and 7 ranks do not divide over 2 nodes", ConfigError);
}
