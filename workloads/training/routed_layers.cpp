#include "workloads/training/routed_layers.h"

#include "workloads/training/capacity.h"
#include "workloads/training/dealt_routing.h"

namespace moesim::workloads {

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

RoutedLayer RoutedLayers::count(std::size_t moe_index, const MoeFfn& moe, std::uint32_t draw) {
  const LayerRoute& route = routes_[moe_index];
  RoutedLayer layer{.rows = ExpertRows(layout_)};
  layer.rows.clear(route.placement->slots_per_rank());
  DispatchWanted wanted = communication_.wanted();
  // An all-to-all's transfers are of copies: here each choice is one.
  const bool rows_are_copies = by_choice_ && !wanted.selections;
  if (rows_are_copies) wanted = {.selections = true, .tokens = false, .node_tokens = false};
  LayerRouting room, kept;
  DispatchCounts counts;
  for (std::size_t g = 0; g < routed_.groups.size(); ++g) {
    const ExpertGroup& group = routed_.groups[g];
    RoutingView view;
    if (dealt_) {
      deal_routing(group.tokens(), moe, group_.seed + g, room);
      view = room;
    } else {
      view = route.source->view({.step = draw,
                                 .layer = route.layer,
                                 .first = routed_.first_token + group.first_token,
                                 .count = group.tokens()},
                                room);
    }
    const TokenSources& sources = routed_.sources[g];
    if (drops_over_) {
      layer.selections += std::int64_t{view.tokens} * view.top_k;
      layer.dropped += drop_over_capacity(view, sources, moe, *drops_over_, kept);
      count_dispatch(kept, *route.placement, sources, wanted, counts);
    } else {
      runs_.try_emplace({moe_index, g}, *route.placement)
          .first->second.count(view, sources, wanted, counts);
    }
    if (rows_are_copies) counts.tokens = counts.selections;
    layer.rows.add(group, counts);
    if (!sharded_) continue;
    TokenExchange exchange =
        communication_.tokens(group.ranks, routed_.sources[g], counts, moe, group_.model.hidden);
    layer.dispatch.push_back(std::move(exchange.dispatch));
    layer.combine.push_back(std::move(exchange.combine));
  }
  return layer;
}

}  // namespace moesim::workloads
