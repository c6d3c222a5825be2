#include "workloads/placement/rank_routing.h"

#include <vector>

#include "sim/error.h"
#include "workloads/routing/laws/load_source.h"

namespace moesim::workloads {
namespace {

std::vector<std::uint32_t> rank_of_expert(const LayerPlacement& placement) {
  std::vector<std::uint32_t> ranks(placement.experts());
  for (std::uint32_t e = 0; e < placement.experts(); ++e) {
    ranks[e] = placement.rank_of_slot(placement.replicas(static_cast<ExpertId>(e)).front());
  }
  return ranks;
}

GroupLimit limit_of(const MoeFfn& moe) {
  return {static_cast<std::uint32_t>(moe.router.groups),
          static_cast<std::uint32_t>(moe.router.top_groups)};
}

std::string problem_of(std::span<const double> loads, const LayerPlacement& placement,
                       const MoeFfn& moe) {
  if (placement.has_replicas()) return std::string(kOneSlotAnExpert);
  return unreachable_load(loads, rank_of_expert(placement), static_cast<std::uint32_t>(moe.top_k),
                          limit_of(moe));
}

}  // namespace

std::string rank_load_problem(const RankLoads& loads, const LayerPlacement& placement,
                              const MoeFfn& moe, std::uint64_t seed) {
  return problem_of(loads_in_layer(loads, placement.ranks(), 0, seed), placement, moe);
}

std::unique_ptr<RoutingSource> rank_load_source(const RankLoads& loads,
                                                const ExpertPlacement& placement, const MoeFfn& moe,
                                                const RankLoadDraw& draw) {
  ExpertLoads experts{1, draw.layers, static_cast<std::uint32_t>(moe.experts), {}};
  for (std::uint32_t l = 0; l < draw.layers; ++l) {
    const LayerPlacement& layer = placement.layer(l);
    const std::vector<double> of_ranks = loads_in_layer(loads, layer.ranks(), l, draw.seed);
    const std::string problem = problem_of(of_ranks, layer, moe);
    if (!problem.empty()) throw sim::ConfigError("routing: " + problem);
    const std::vector<double> of_experts = expert_popularity(of_ranks, rank_of_expert(layer));
    experts.values.insert(experts.values.end(), of_experts.begin(), of_experts.end());
  }
  return std::make_unique<LoadSource>(std::move(experts),
                                      LoadDraw{.top_k = static_cast<std::uint32_t>(moe.top_k),
                                               .tokens_per_step = draw.tokens_per_step,
                                               .seed = draw.seed,
                                               .limit = limit_of(moe)},
                                      loads.description());
}

}  // namespace moesim::workloads
