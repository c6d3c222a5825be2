#include <doctest/doctest.h>

#include "sim/error.h"
#include "workloads/placement/experts.h"

using namespace moesim::workloads;
using moesim::sim::ConfigError;

namespace {
std::vector<ExpertId> slots(const ExpertPlacement& placement) {
  const auto span = placement.layer(0).slot_expert();
  return {span.begin(), span.end()};
}
}  // namespace

TEST_CASE("linear placement gives each rank the next experts") {
  const auto placement = linear_placement({.experts = 4, .ranks = 2});
  CHECK(slots(placement) == std::vector<ExpertId>{0, 1, 2, 3});
  CHECK(placement.layer(7).rank_of_slot(1) == 0);
  CHECK(placement.layer(7).rank_of_slot(2) == 1);
}

TEST_CASE("redundant slots of a linear placement repeat the first experts") {
  // 6 slots on 2 ranks: rank 0 holds 0 1 2, rank 1 holds 3 0 1.
  const auto placement = linear_placement({.experts = 4, .redundant = 2, .ranks = 2});
  CHECK(slots(placement) == std::vector<ExpertId>{0, 1, 2, 3, 0, 1});
  const auto replicas = placement.layer(0).replicas(1);
  CHECK(std::vector<std::uint32_t>(replicas.begin(), replicas.end()) ==
        std::vector<std::uint32_t>{1, 5});
}

TEST_CASE("round-robin placement deals the experts like cards") {
  CHECK(slots(round_robin_placement({.experts = 6, .ranks = 2})) ==
        std::vector<ExpertId>{0, 2, 4, 1, 3, 5});
}

TEST_CASE("slots that do not divide over the ranks are an error that says what would") {
  CHECK_THROWS_WITH_AS(linear_placement({.experts = 256, .ranks = 72}),
                       "256 experts and 0 redundant ones do not divide over 72 ranks; 32 redundant "
                       "ones would",
                       ConfigError);
  CHECK_THROWS_WITH_AS(linear_placement({.experts = 0, .ranks = 2}),
                       "expected 1 to 1048576 experts, not 0", ConfigError);
  CHECK_THROWS_WITH_AS(LayerPlacement({0, 1, 2}, 3, 2), "3 expert slots do not divide over 2 ranks",
                       ConfigError);
}

TEST_CASE("a placement without a slot for an expert, or for one that is not there, is an error") {
  CHECK_THROWS_WITH_AS(LayerPlacement({0, 1, 1, 0}, 3, 2), "expert 2 has no slot", ConfigError);
  CHECK_THROWS_WITH_AS(LayerPlacement({0, 1, 2, 3}, 3, 2),
                       "a slot holds expert 3, but the experts are 0 … 2", ConfigError);
}

TEST_CASE("a placement that needs loads is not among the static ones") {
  CHECK(static_placement("round_robin", {.experts = 2, .ranks = 2}).name == "round_robin");
  CHECK_THROWS_WITH_AS(static_placement("eplb", {.experts = 2, .ranks = 2}),
                       "expected a placement that needs no loads, linear or round_robin, not "
                       "\"eplb\"",
                       ConfigError);
}
