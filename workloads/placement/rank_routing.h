// Routing that gives the ranks of a placement the loads that are known of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "workloads/model/model_spec.h"
#include "workloads/placement/experts.h"
#include "workloads/routing/laws/rank_loads.h"

namespace moesim::workloads {

// Of a placement whose replicas divide an expert's load the ranks' loads do not say the experts'.
inline constexpr std::string_view kOneSlotAnExpert =
    "experts: loads of ranks say where experts are, so each has one slot: linear or round_robin "
    "without redundant ones, or a file, would do";

struct RankLoadDraw {
  std::uint32_t layers = 1;
  std::uint32_t tokens_per_step = 1;
  std::uint64_t seed = 1;
};

// What is wrong with these loads on this layer's placement; empty: nothing.
// REQUIRES: as many loads as ranks
std::string rank_load_problem(const RankLoads& loads, const LayerPlacement& placement,
                              const MoeFfn& moe, std::uint64_t seed);

// Throws ConfigError where a layer has such a problem.
std::unique_ptr<RoutingSource> rank_load_source(const RankLoads& loads,
                                                const ExpertPlacement& placement, const MoeFfn& moe,
                                                const RankLoadDraw& draw);

}  // namespace moesim::workloads
