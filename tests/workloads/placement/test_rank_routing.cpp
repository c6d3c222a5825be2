// Routing drawn so that ranks have the loads that are known of them.
#include "workloads/placement/rank_routing.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "sim/error.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

MoeFfn moe_of(std::int64_t experts, std::int64_t top_k) {
  MoeFfn moe;
  moe.experts = experts;
  moe.top_k = top_k;
  return moe;
}

// Selections of each expert in a layer of the first step.
std::vector<double> selections(RoutingSource& source, std::uint32_t layer) {
  std::vector<double> counts(source.experts());
  LayerRouting routing;
  source.route({0, layer, 0, source.tokens_per_step()}, routing);
  for (const ExpertId id : routing.ids) counts[id] += 1;
  return counts;
}

}  // namespace

TEST_CASE("loads of ranks are brought to a mean of one") {
  // 3 + 1 + 2 + 2 = 8 over 4 ranks: a mean of 2.
  const RankLoads loads{.loads = {3, 1, 2, 2}};
  CHECK(loads_in_layer(loads, 4, 0, 1) == std::vector<double>{1.5, 0.5, 1, 1});
  CHECK(loads.description() == "loads of 4 ranks, as given");
}

TEST_CASE("of a maximum over the mean the other ranks share the rest alike") {
  // 1.3 of 4: the other three have (4 - 1.3) / 3 = 0.9 each.
  const RankLoads loads{.max_over_mean = 1.3};
  std::vector<int> busiest(4);
  for (std::uint32_t layer = 0; layer < 64; ++layer) {
    const std::vector<double> in_layer = loads_in_layer(loads, 4, layer, 7);
    int above = 0;
    for (std::size_t rank = 0; rank < 4; ++rank) {
      if (in_layer[rank] == 1.3) {
        ++above;
        ++busiest[rank];
      } else {
        CHECK(in_layer[rank] == doctest::Approx(0.9));
      }
    }
    CHECK(above == 1);
  }
  // Another one from layer to layer: of 64 draws none of the four misses all.
  for (const int layers : busiest) CHECK(layers > 0);
  CHECK(loads.description() == "busiest rank 1.3 times the mean");
}

TEST_CASE("tokens are drawn so that each rank has its load and its experts are alike") {
  // Round robin over 2 ranks: rank 0 holds experts 0, 2, 4, 6. It has 1.2 of 2 parts: 60 % of
  // 2 x 40,000 selections, 12,000 an expert, the other rank's 8,000. A choice varies by at most
  // sqrt(40,000 / 4) = 100 a expert: 5 of that.
  const ExpertPlacement placement = round_robin_placement({.experts = 8, .ranks = 2});
  const auto source = rank_load_source({.loads = {6, 4}}, placement, moe_of(8, 2),
                                       {.layers = 2, .tokens_per_step = 40000, .seed = 3});
  CHECK(source->description() == "loads of 2 ranks, as given");
  for (const std::uint32_t layer : {0u, 1u}) {
    const std::vector<double> counts = selections(*source, layer);
    for (std::size_t e = 0; e < 8; ++e) {
      CHECK(std::abs(counts[e] - (e % 2 == 0 ? 12000 : 8000)) < 500);
    }
  }
}

TEST_CASE("a limit on groups holds beside the ranks' loads") {
  // 8 experts in 4 groups of two, a token takes one each of 2 groups. Loads 1.4, 0.6 of linear
  // ranks: 70 % of 2 x 20,000 selections are of experts 0 to 3, and no token has both of a group.
  MoeFfn moe = moe_of(8, 2);
  moe.router.groups = 4;
  moe.router.top_groups = 2;
  const auto source =
      rank_load_source({.loads = {7, 3}}, linear_placement({.experts = 8, .ranks = 2}), moe,
                       {.layers = 1, .tokens_per_step = 20000, .seed = 3});
  LayerRouting routing;
  source->route({0, 0, 0, 20000}, routing);
  double first = 0;
  for (std::size_t t = 0; t < 20000; ++t) {
    const ExpertId a = routing.ids[2 * t], b = routing.ids[2 * t + 1];
    CHECK(a / 2 != b / 2);
    first += (a < 4) + (b < 4);
  }
  CHECK(std::abs(first - 28000) < 500);
}

TEST_CASE("a rank without load is never asked") {
  const auto source =
      rank_load_source({.loads = {1, 0}}, linear_placement({.experts = 8, .ranks = 2}),
                       moe_of(8, 2), {.layers = 1, .tokens_per_step = 1000});
  const std::vector<double> counts = selections(*source, 0);
  CHECK(counts[4] + counts[5] + counts[6] + counts[7] == 0);
}

TEST_CASE("a load that a token's different experts cannot give is refused") {
  // A rank of 2 experts gets at most 2 of a token's 4 selections; the mean of 4 ranks is 1.
  const ExpertPlacement placement = linear_placement({.experts = 8, .ranks = 4});
  CHECK(rank_load_problem({.loads = {3, 1, 0, 0}}, placement.layer(0), moe_of(8, 4), 1) ==
        "rank 0 would have 3 times the mean, but gets at most 2 of it: a token chooses 4 different "
        "experts of 8");
  CHECK(
      rank_load_problem({.loads = {2, 1, 0.5, 0.5}}, placement.layer(0), moe_of(8, 4), 1).empty());
  // In 2 of 4 groups, one a rank, a rank's 2 experts are in at most every token: half of 4.
  MoeFfn grouped = moe_of(8, 4);
  grouped.router.groups = 4;
  grouped.router.top_groups = 2;
  CHECK(rank_load_problem({.loads = {2, 1, 0.5, 0.5}}, placement.layer(0), grouped, 1).empty());
  CHECK(rank_load_problem({.loads = {2.5, 0.5, 0.5, 0.5}}, placement.layer(0), grouped, 1) ==
        "rank 0 would have 2.5 times the mean, but gets at most 2 of it: a token chooses 4 "
        "different experts of 8 in 2 of 4 groups");
}

TEST_CASE("loads of ranks need one slot an expert") {
  const ExpertPlacement replicas = linear_placement({.experts = 8, .redundant = 2, .ranks = 2});
  CHECK_THROWS_WITH_AS(
      rank_load_source({.max_over_mean = 1.2}, replicas, moe_of(8, 2), {}),
      "routing: experts: loads of ranks say where experts are, so each has one slot: linear or "
      "round_robin without redundant ones, or a file, would do",
      sim::ConfigError);
}
