#include "workloads/training/routed_layers.h"

#include <numeric>

#include "workloads/training/capacity.h"
#include "workloads/training/dealt_routing.h"

namespace moesim::workloads {
namespace {

// A law's counts are drawn where a source has so many tokens for each expert: a law without groups
// has as many sets of experts (subset_lines.h), and fewer tokens are drawn as quickly one by one.
constexpr std::uint32_t kTokensOfAnExpert = 16;

// DeepEP's and HybridEP's kernels are fitted on benches that have the machine for themselves. In a
// step other groups are on the same network, the other micro-batch in the same memory, and peers
// come late: the combine of DeepSeek's own chunk on 64 H800, without its waiting, takes so many
// times as long as by the fits (deepseek-ai/profile-data@4496024; its dispatch 1.7 times). Held
// against steps that it was not taken from: README.md, "All-to-all".
constexpr double kInStep = 1.32;

bool is_of_benches(hardware::MulticastAlgorithm tokens) {
  using enum hardware::MulticastAlgorithm;
  return tokens == DeepEpNormal || tokens == HybridEp;
}

}  // namespace

RoutedLayers::RoutedLayers(const Deployment& group, const RankLayout& layout,
                           const Communication& communication, const LayerRoutes& routes,
                           const MicroBatch& routed, std::optional<double> drops_over, bool dealt)
    : group_(group),
      layout_(layout),
      communication_(communication),
      routes_(routes),
      routed_(routed),
      drops_over_(drops_over),
      dealt_(dealt),
      sharded_(tokens_are_sharded(group.layout)),
      by_choice_(communication.wanted().selections ||
                 group.tokens == hardware::MulticastAlgorithm::Nccl) {}

const RoutedLayer& RoutedLayers::of(std::size_t moe_index, const MoeFfn& moe, std::uint32_t draw) {
  const std::pair key{moe_index, draw};
  const auto found = known_.find(key);
  if (found != known_.end()) return found->second;
  return known_.emplace(key, count(moe_index, moe, draw)).first->second;
}

LayerLoad RoutedLayers::load(std::size_t moe_index, const MoeFfn& moe, std::uint32_t draw) {
  const ExpertRows& rows = of(moe_index, moe, draw).rows;
  const LayerPlacement& placement = *routes_[moe_index].placement;
  const std::size_t each = placement.slots_per_rank();
  LayerLoad load{.layer = 0,
                 .expert_counts = std::vector<std::uint64_t>(placement.experts()),
                 .rank_rows = {}};
  for (std::size_t cell = 0; cell < rows.cells(); ++cell) {
    const auto mine = rows.cell_rows(cell);
    const std::size_t first = cell % placement.ranks() * each;  // ranks of ep come first
    for (std::size_t slot = 0; slot < each; ++slot)
      load.expert_counts[placement.slot_expert()[first + slot]] +=
          static_cast<std::uint64_t>(mine[slot]);
    load.rank_rows.push_back(
        static_cast<std::uint64_t>(std::accumulate(mine.begin(), mine.end(), std::int64_t{0})));
  }
  return load;
}

const DrawnDispatch* RoutedLayers::drawn(std::size_t moe_index, std::size_t g, std::uint32_t draw,
                                         const DispatchWanted& wanted) {
  const LayerRoute& route = routes_[moe_index];
  const TokenSources& sources = routed_.sources[g];
  // A uniform law's stages share their draws (chunk_table.h), which are soon made.
  const RoutingChoice& routing = group_.routing;
  if (routing.law == Law::Uniform && routing.drift == 0 && routing.trace.empty() &&
      !routing.ranks.given())
    return nullptr;
  // Which tokens are dropped, no count tells.
  if (dealt_ || drops_over_ ||
      routed_.groups[g].tokens() / sources.ranks() / kTokensOfAnExpert < route.source->experts())
    return nullptr;
  const auto* law = dynamic_cast<const IndependentTokens*>(route.source);
  if (law == nullptr) return nullptr;
  const auto [found, is_new] = drawn_.try_emplace({moe_index, g});
  Drawn& known = found->second;
  if (is_new || (!law->steady() && known.draw != draw)) {
    known.draw = draw;
    known.dispatch.reset();
    if (const auto sets = law->sets(draw, route.layer))
      known.dispatch = DrawnDispatch::of(*sets, *route.placement, sources.node, wanted);
  }
  return known.dispatch ? &*known.dispatch : nullptr;
}

void RoutedLayers::count(std::size_t moe_index, const MoeFfn& moe, std::uint32_t draw,
                         std::size_t g, const DispatchWanted& wanted, RoutedLayer& layer,
                         DispatchCounts& counts) {
  const LayerRoute& route = routes_[moe_index];
  const ExpertGroup& group = routed_.groups[g];
  const TokenSources& sources = routed_.sources[g];
  const std::uint32_t first = routed_.first_token + group.first_token;
  if (const DrawnDispatch* dispatch = drawn(moe_index, g, draw, wanted)) {
    const auto& law = dynamic_cast<const IndependentTokens&>(*route.source);
    return dispatch->count(law.key(draw, route.layer), first, sources, counts);
  }
  LayerRouting room, kept;
  RoutingView view;
  if (dealt_) {
    deal_routing(group.tokens(), moe, group_.seed + g, room);
    view = room;
  } else {
    view = route.source->view(
        {.step = draw, .layer = route.layer, .first = first, .count = group.tokens()}, room);
  }
  if (!drops_over_) {
    const RowRuns* rows = nullptr;
    if (view.rows != nullptr)
      rows = &row_runs_.try_emplace({route.source, draw, g}, view.rows, sources).first->second;
    return runs_.try_emplace({moe_index, g}, *route.placement)
        .first->second.count(view, sources, wanted, counts, rows);
  }
  layer.selections += std::int64_t{view.tokens} * view.top_k;
  layer.dropped += drop_over_capacity(view, sources, moe, *drops_over_, kept);
  count_dispatch(kept, *route.placement, sources, wanted, counts);
}

RoutedLayer RoutedLayers::count(std::size_t moe_index, const MoeFfn& moe, std::uint32_t draw) {
  RoutedLayer layer{.rows = ExpertRows(layout_)};
  layer.rows.clear(routes_[moe_index].placement->slots_per_rank());
  DispatchWanted wanted = communication_.wanted();
  // An all-to-all's transfers are of copies: here each choice is one.
  const bool rows_are_copies = by_choice_ && !wanted.selections;
  if (rows_are_copies) wanted = {.selections = true, .tokens = false, .node_tokens = false};
  DispatchCounts counts;
  for (std::size_t g = 0; g < routed_.groups.size(); ++g) {
    const ExpertGroup& group = routed_.groups[g];
    count(moe_index, moe, draw, g, wanted, layer, counts);
    if (rows_are_copies) counts.tokens = counts.selections;
    layer.rows.add(group, counts);
    if (!sharded_) continue;
    TokenExchange exchange =
        communication_.tokens(group.ranks, routed_.sources[g], counts, moe, group_.model.hidden);
    if (is_of_benches(group_.tokens))
      for (hardware::PricedExchange* way : {&exchange.dispatch, &exchange.combine})
        way->exchange.far.factor *= kInStep;
    layer.dispatch.push_back(std::move(exchange.dispatch));
    layer.combine.push_back(std::move(exchange.combine));
  }
  return layer;
}

}  // namespace moesim::workloads
