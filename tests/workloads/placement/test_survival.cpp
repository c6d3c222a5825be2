// What a placement survives, what is left of it, and EPLB that puts replicas apart first.
#include "workloads/placement/survival.h"

#include <doctest/doctest.h>

#include <cmath>

#include "sim/error.h"
#include "sim/random.h"
#include "tests/support/thrown.h"
#include "workloads/placement/eplb.h"
#include "workloads/placement/evaluation.h"

using namespace moesim;
using namespace moesim::workloads;
using moesim::tests::thrown;
using Slots = std::vector<ExpertId>;

namespace {

ExpertPlacement placed(Slots slots, std::uint32_t experts, std::uint32_t ranks) {
  return {"test", {LayerPlacement(std::move(slots), experts, ranks)}};
}

std::vector<float> random_loads(std::uint64_t seed, std::uint32_t experts) {
  sim::Random random(seed, "loads");
  std::vector<float> load;
  for (std::uint32_t e = 0; e < experts; ++e)
    load.push_back(static_cast<float>(std::floor(1000 * std::exp(random.normal()))));
  return load;
}

}  // namespace

TEST_CASE("what is survived, by hand") {
  const std::vector<std::uint16_t> nodes{0, 0, 1, 1};
  // Ranks 0 1 | 1 2 | 0 2 | 3 3: expert 3 is on rank 3 alone, expert 1 on node 0 alone. Of the six
  // pairs three have rank 3, and {0, 1}, {0, 2}, {1, 2} are all that hold 1, 0 and 2.
  const Survival some = survival_of(placed({0, 1, 1, 2, 0, 2, 3, 3}, 4, 4), nodes);
  CHECK_FALSE(some.any_gpu);
  CHECK_FALSE(some.any_node);
  CHECK(some.one_gpu == 0.75);
  CHECK(some.two_gpus == 0);
  // 0 1 | 3 2 | 1 2 | 0 3: each expert is on both nodes; the pairs {0, 1} and {2, 3}, the nodes,
  // are survived, each of the four others holds all of an expert.
  const Survival all = survival_of(placed({0, 1, 3, 2, 1, 2, 0, 3}, 4, 4), nodes);
  CHECK(all.any_gpu);
  CHECK(all.any_node);
  CHECK(all.one_gpu == 1);
  CHECK(all.two_gpus == doctest::Approx(2.0 / 6));
  // On one node, which is lost with everything; three ranks of an expert survive any two.
  const Survival three = survival_of(placed({0, 0, 0}, 1, 3), {});
  CHECK(three.any_gpu);
  CHECK_FALSE(three.any_node);
  CHECK(three.two_gpus == 1);
  CHECK(survival_of(placed({0}, 1, 1), {}).two_gpus == 0);  // there are no two
}

TEST_CASE("of two placements both have to survive") {
  const Survival a{.any_gpu = true, .any_node = false, .one_gpu = 1, .two_gpus = 0.5};
  const Survival b{.any_gpu = false, .any_node = true, .one_gpu = 0.75, .two_gpus = 0.6};
  const Survival ab = both(a, b);
  CHECK_FALSE(ab.any_gpu);
  CHECK_FALSE(ab.any_node);
  CHECK(ab.one_gpu == 0.75);
  CHECK(ab.two_gpus == 0.5);
}

TEST_CASE("the slots of ranks that are left close up, and an expert that is lost is named") {
  const ExpertPlacement placement = placed({0, 1, 3, 2, 1, 2, 0, 3}, 4, 4);
  const ExpertPlacement left = without_ranks(placement, std::vector<std::uint32_t>{1});
  const auto slots = left.layer(0).slot_expert();
  CHECK(Slots(slots.begin(), slots.end()) == Slots{0, 1, 1, 2, 0, 3});
  CHECK(left.layer(0).ranks() == 3);
  CHECK(left.name == "test");
  CHECK(thrown<sim::InfeasibleError>([&] {
          (void)without_ranks(placement, std::vector<std::uint32_t>{0, 3});
        }) ==
        "mixture layer 0: with ranks 0, 3 of the experts' ranks expert 0 is lost: the engine is "
        "down until it is started anew; placement.survive: gpu, with a redundant slot for each "
        "expert, keeps every expert on two GPUs, and node on two nodes");
}

TEST_CASE("replicas that are packed apart, by hand") {
  // Loads 12, 6, 3, each expert twice: 6 6 3 3 1.5 1.5 onto three ranks of two slots. 6 -> 0, the
  // other not there -> 1; 3 -> 2 (empty), the other -> 0 (as heavy as 1, and before it); 1.5 -> 2
  // (3 < 6), the other -> 1, which alone has room.
  const std::vector<float> loads{12, 6, 3};
  CHECK(eplb_slots(loads, {.plan = {3, 3, 3}, .survive = Survive::Gpu}) == Slots{0, 1, 0, 2, 1, 2});
}

TEST_CASE("where the other domain is full what stands there makes room") {
  // Two packs of five: three of weight 10, five of 1, two of 0.5. 10 -> 0, 1, 0; 1 -> 1, 0, and
  // then to 1, the lighter, until it is full; 0.5 -> 0. The other 0.5 has to stand in 1: a 1 that
  // is there more than once goes to 0 for it, not the only 10.
  const std::vector<float> weights{10, 10, 10, 1, 1, 1, 1, 1, 0.5, 0.5};
  const Slots expert{0, 0, 0, 1, 1, 1, 1, 1, 2, 2};
  const Packing packing = packing_apart(weights, expert, 2, 1);
  CHECK(packing.pack == std::vector<std::uint32_t>{0, 1, 0, 0, 0, 1, 1, 1, 0, 1});
  CHECK(packing.place == std::vector<std::uint32_t>{0, 0, 1, 4, 2, 2, 3, 4, 3, 1});
}

TEST_CASE("what is to be survived is survived, whatever the loads, and nearly as even") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    for (const std::uint32_t redundant : {64u, 80u, 128u}) {
      for (const std::uint32_t groups : {1u, 8u}) {
        CAPTURE(seed);
        CAPTURE(redundant);
        CAPTURE(groups);
        const std::vector<float> load = random_loads(seed, 64);
        LoadTable table(1, 64);
        for (std::size_t e = 0; e < load.size(); ++e)
          table.counts[e] = static_cast<std::uint64_t>(load[e]);
        std::vector<std::uint16_t> nodes;
        for (std::uint16_t r = 0; r < 16; ++r) nodes.push_back(r / 4);
        EplbShape shape{.plan = {64, redundant, 16}, .groups = groups, .nodes = 4};
        const double plain = rank_max_over_mean(eplb_placement(table, shape), table);
        shape.survive = Survive::Gpu;
        const ExpertPlacement gpu = eplb_placement(table, shape);
        CHECK(survival_of(gpu, nodes).any_gpu);
        shape.survive = Survive::Node;
        const ExpertPlacement node = eplb_placement(table, shape);
        CHECK(survival_of(node, nodes).any_gpu);
        CHECK(survival_of(node, nodes).any_node);
        // Two replicas each leave fewer slots for the hottest expert: no rank has less than one of
        // its replicas.
        const Replication copies = replicate(load, 64 + redundant, 2);
        double heaviest = 0, sum = 0;
        for (std::size_t e = 0; e < load.size(); ++e) {
          heaviest = std::max<double>(heaviest, load[e] / static_cast<float>(copies.replicas[e]));
          sum += load[e];
        }
        const double least = std::max(plain, 16 * heaviest / sum);
        CAPTURE(least);
        CHECK(rank_max_over_mean(gpu, table) < 1.35 * least);
        CHECK(rank_max_over_mean(node, table) < 1.35 * least);
      }
    }
  }
}

TEST_CASE("what cannot be survived is refused with what would do") {
  const std::vector<float> loads(4, 1);
  const auto message = [&](const EplbShape& shape) {
    return thrown<sim::ConfigError>([&] { (void)eplb_slots(loads, shape); });
  };
  // Seven slots, on seven ranks; twice four are eight, and 14 slots are the next that divide.
  CHECK(message({.plan = {4, 3, 7}, .survive = Survive::Gpu}) ==
        "survive: gpu: 7 slots cannot hold 4 experts twice; placement.redundant: 10 would do");
  CHECK(message({.plan = {4, 4, 1}, .survive = Survive::Gpu}) ==
        "survive: gpu: the experts are on one rank, and with it all are lost: ep of two or more "
        "would do");
  CHECK(message({.plan = {4, 4, 4}, .survive = Survive::Node}) ==
        "survive: node: the experts are on one node, and with it all are lost: ranks on two nodes "
        "or more would do");
  CHECK(survive_problem({.plan = {4, 4, 4}, .nodes = 2, .survive = Survive::Node}).empty());
  CHECK(survive_problem({.plan = {4, 0, 4}}).empty());
}
