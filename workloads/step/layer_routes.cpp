#include "workloads/step/layer_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/error.h"

namespace moesim::workloads {
namespace {

// The mixture layers of one size; most models have one, pyramids more.
struct Size {
  std::uint32_t experts = 0;
  std::uint32_t top_k = 0;
  auto operator<=>(const Size&) const = default;
};

std::unique_ptr<RoutingSource> make_source(const Scenario& scenario, const MoeFfn& moe,
                                           std::uint32_t layers, std::int64_t tokens,
                                           std::int64_t steps) {
  const RoutingChoice& choice = scenario.routing;
  const auto experts = static_cast<std::uint32_t>(moe.experts);
  const auto top_k = static_cast<std::uint32_t>(moe.top_k);
  if (!choice.trace.empty()) {
    return open_trace_source(choice.trace,
                             {.layers = layers,
                              .experts = experts,
                              .top_k = top_k,
                              .tokens_per_step = static_cast<std::uint32_t>(tokens),
                              .steps = static_cast<std::uint32_t>(steps),
                              .seed = scenario.seed},
                             choice.mapping);
  }
  return std::make_unique<LawSource>(LawSpec{
      .law = choice.law,
      .skew = choice.skew,
      .layers = layers,
      .experts = experts,
      .top_k = top_k,
      .tokens_per_step = static_cast<std::uint32_t>(tokens),
      .groups = choice.law == Law::Balanced ? 1 : static_cast<std::uint32_t>(moe.router.groups),
      .groups_per_token =
          choice.law == Law::Balanced ? 1 : static_cast<std::uint32_t>(moe.router.top_groups),
      .seed = scenario.seed});
}

ExpertPlacement make_placement(const Scenario& scenario, const MoeFfn& moe, std::uint32_t layers) {
  const SlotPlan plan{.experts = static_cast<std::uint32_t>(moe.experts),
                      .redundant = static_cast<std::uint32_t>(scenario.placement.redundant),
                      .ranks = static_cast<std::uint32_t>(scenario.parallelism.ep)};
  if (!scenario.placement.file.empty()) {
    return placement_from_file(scenario.placement.file, plan.experts, plan.ranks, layers);
  }
  check(plan);
  return static_placement(scenario.placement.experts, plan);
}

}  // namespace

LayerRoutes::LayerRoutes(const Scenario& scenario, std::int64_t tokens, std::int64_t steps) {
  std::map<Size, std::vector<std::size_t>> layers_of;  // by size: which mixture layers
  const std::vector<std::int64_t> moe_layers = scenario.model.moe_layers();
  for (std::size_t i = 0; i < moe_layers.size(); ++i) {
    const MoeFfn& moe = *scenario.model.moe(moe_layers[i]);
    layers_of[{static_cast<std::uint32_t>(moe.experts), static_cast<std::uint32_t>(moe.top_k)}]
        .push_back(i);
  }
  routes_.resize(moe_layers.size());
  for (const auto& [size, layers] : layers_of) {
    const MoeFfn& moe = *scenario.model.moe(moe_layers[layers.front()]);
    const auto count = static_cast<std::uint32_t>(layers.size());
    sources_.push_back(make_source(scenario, moe, count, tokens, steps));
    placements_.push_back(std::make_unique<ExpertPlacement>(make_placement(scenario, moe, count)));
    for (std::uint32_t i = 0; i < count; ++i) {
      routes_[layers[i]] = {
          .source = sources_.back().get(), .layer = i, .placement = &placements_.back()->layer(i)};
    }
  }
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
