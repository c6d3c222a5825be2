#include "workloads/step/layer_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "sim/error.h"
#include "workloads/placement/balanced.h"
#include "workloads/placement/rank_routing.h"
#include "workloads/routing/laws/drawn_ids.h"
#include "workloads/routing/trace/trace_cache.h"

namespace moesim::workloads {
namespace {

// The mixture layers of one size; most models have one, pyramids more.
struct Size {
  std::uint32_t experts = 0;
  std::uint32_t top_k = 0;
  auto operator<=>(const Size&) const = default;
};

// Those of the ranks that were lost, too: the placement was made when they were there.
SlotPlan slots_of(const Deployment& deployment, const MoeFfn& moe) {
  const std::int64_t left = moe.experts + deployment.placement.redundant;
  const auto lost = static_cast<std::int64_t>(deployment.placement.lost.size());
  const std::int64_t all = left + left / deployment.layout.ep * lost;
  return {.experts = static_cast<std::uint32_t>(moe.experts),
          .redundant = static_cast<std::uint32_t>(all - moe.experts),
          .ranks = static_cast<std::uint32_t>(deployment.layout.ep + lost)};
}

// The placement that needs no routing; none where it is made from loads.
std::optional<ExpertPlacement> fixed_placement(const Deployment& deployment, const MoeFfn& moe,
                                               std::uint32_t layers) {
  const SlotPlan plan = slots_of(deployment, moe);
  if (!deployment.placement.file.empty()) {
    return placement_from_file(deployment.placement.file, plan.experts, plan.ranks, layers);
  }
  check(plan);
  const std::string& name = deployment.placement.experts;
  if (!needs_evidence(name)) return static_placement(name, plan);
  if (plan.ranks == 1) return static_placement("linear", plan);
  return std::nullopt;
}

// Balanced is what others are told against: it has an answer for models whose groups do not divide.
bool has_limit(const RoutingChoice& choice, const MoeFfn& moe) {
  const Router& r = moe.router;
  return choice.law != Law::Balanced ||
         (moe.experts % r.groups == 0 && moe.top_k % r.top_groups == 0 &&
          moe.top_k / r.top_groups <= moe.experts / r.groups);
}

std::unique_ptr<RoutingSource> make_source(const Deployment& deployment, const MoeFfn& moe,
                                           std::uint32_t layers, std::int64_t tokens,
                                           std::int64_t steps) {
  const RoutingChoice& choice = deployment.routing;
  if (choice.ranks.given()) {
    return rank_load_source(choice.ranks, *fixed_placement(deployment, moe, layers), moe,
                            {.layers = layers,
                             .tokens_per_step = static_cast<std::uint32_t>(tokens),
                             .seed = deployment.seed});
  }
  const auto experts = static_cast<std::uint32_t>(moe.experts);
  const auto top_k = static_cast<std::uint32_t>(moe.top_k);
  if (!choice.trace.empty()) {
    return open_trace_source(choice.trace,
                             {.layers = layers,
                              .experts = experts,
                              .top_k = top_k,
                              .tokens_per_step = static_cast<std::uint32_t>(tokens),
                              .steps = static_cast<std::uint32_t>(steps),
                              .seed = deployment.seed},
                             choice.mapping, choice.cache.get());
  }
  const LawSpec law{.law = choice.law,
                    .skew = choice.skew,
                    .drift = choice.drift,
                    .layers = layers,
                    .experts = experts,
                    .top_k = top_k,
                    .tokens_per_step = static_cast<std::uint32_t>(tokens),
                    .groups = static_cast<std::uint32_t>(moe.router.groups),
                    .groups_per_token = static_cast<std::uint32_t>(
                        has_limit(choice, moe) ? moe.router.top_groups : moe.router.groups),
                    .seed = deployment.seed};
  return kept_law_source(law, choice.cache ? choice.cache->drawn() : std::make_shared<DrawnIds>());
}

constexpr std::int64_t kMostEvidence = 16;

// The tokens of each expert-parallel group in each part of a step.
std::vector<TokenBlock> blocks_of(const StepParts& step) {
  std::vector<TokenBlock> blocks;
  for (const auto& halves : step) {
    for (const MicroBatch& part : halves) {
      for (std::size_t g = 0; g < part.groups.size(); ++g) {
        blocks.push_back({part.first_token + part.groups[g].first_token, part.sources[g]});
      }
    }
  }
  return blocks;
}

ExpertPlacement placement_of(const Deployment& deployment, const MoeFfn& moe, RoutingSource& source,
                             const StepParts& step, std::int64_t steps) {
  if (auto fixed = fixed_placement(deployment, moe, source.layers())) return std::move(*fixed);
  const std::string& name = deployment.placement.experts;
  auto evidence =
      gather_evidence(source, blocks_of(step),
                      {.first_step = static_cast<std::uint32_t>(steps),
                       .steps = static_cast<std::uint32_t>(std::min(steps, kMostEvidence)),
                       .pairs = needs_pairs(name)});
  if (!deployment.placement.lost.empty()) {
    // The nodes that there were: from one that is gone nothing starts.
    const auto per_node = static_cast<std::size_t>(deployment.cluster.gpus_per_node);
    const std::size_t ranks = slots_of(deployment, moe).ranks;
    evidence.from_node.resize((ranks + per_node - 1) / per_node,
                              LoadTable(evidence.loads.layers, evidence.loads.experts));
  }
  return make_placement(name,
                        {.plan = slots_of(deployment, moe),
                         .groups = static_cast<std::uint32_t>(moe.router.groups),
                         .nodes = static_cast<std::uint32_t>(evidence.from_node.size()),
                         .survive = deployment.placement.survive},
                        evidence);
}

// Where each rank of every expert-parallel group is, of groups that are alike once.
std::vector<std::vector<std::uint16_t>> nodes_of(const StepParts& step) {
  std::set<std::vector<std::uint16_t>> nodes;
  for (const TokenBlock& block : blocks_of(step)) {
    nodes.insert(block.sources.node.empty() ? std::vector<std::uint16_t>(block.sources.ranks())
                                            : block.sources.node);
  }
  return {nodes.begin(), nodes.end()};
}

}  // namespace

LayerRoutes::LayerRoutes(const Deployment& deployment, const StepParts& step, std::int64_t steps) {
  nodes_ = nodes_of(step);
  const std::int64_t tokens = routed_tokens(step);
  std::map<Size, std::vector<std::size_t>> layers_of;  // by size: which mixture layers
  const std::vector<std::int64_t> moe_layers = deployment.model.moe_layers();
  for (std::size_t i = 0; i < moe_layers.size(); ++i) {
    const MoeFfn& moe = *deployment.model.moe(moe_layers[i]);
    layers_of[{static_cast<std::uint32_t>(moe.experts), static_cast<std::uint32_t>(moe.top_k)}]
        .push_back(i);
  }
  routes_.resize(moe_layers.size());
  for (const auto& [size, layers] : layers_of) {
    const MoeFfn& moe = *deployment.model.moe(moe_layers[layers.front()]);
    const auto count = static_cast<std::uint32_t>(layers.size());
    sources_.push_back(make_source(deployment, moe, count, tokens, steps));
    ExpertPlacement placement = placement_of(deployment, moe, *sources_.back(), step, steps);
    const auto& lost = deployment.placement.lost;
    if (!lost.empty()) placement = without_ranks(placement, lost);
    placements_.push_back(std::make_unique<ExpertPlacement>(std::move(placement)));
    for (std::uint32_t i = 0; i < count; ++i) {
      routes_[layers[i]] = {
          .source = sources_.back().get(), .layer = i, .placement = &placements_.back()->layer(i)};
    }
  }
}

std::optional<Survival> LayerRoutes::survival() const {
  std::optional<Survival> all;
  for (const auto& placement : placements_) {
    for (const std::vector<std::uint16_t>& nodes : nodes_) {
      const Survival one = survival_of(*placement, nodes);
      all = all ? both(*all, one) : one;
    }
  }
  return all;
}

std::string LayerRoutes::description() const {
  if (sources_.empty()) return "no experts";
  std::string text;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (i > 0) text += "; ";
    text += fmt::format("{}, placement {}", sources_[i]->description(), placements_[i]->name);
  }
  return text;
}

}  // namespace moesim::workloads
