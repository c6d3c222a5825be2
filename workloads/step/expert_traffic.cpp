#include "workloads/step/expert_traffic.h"

#include <algorithm>
#include <numeric>

namespace moesim::workloads {
namespace {

std::int64_t sum(std::span<const std::int64_t> rows) {
  return std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
}

// Zero where nothing was counted.
std::int64_t total(const std::vector<std::uint32_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}
// On the diagonal of a [source x ranks] matrix.
std::int64_t at_home(const std::vector<std::uint32_t>& matrix, std::size_t ranks) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < matrix.size(); i += ranks + 1) sum += matrix[i];
  return sum;
}

// Experts that route for themselves are priced by the tokens that they see, whoever asks what.
DispatchWanted wanted_by(const Communication& communication, bool sharded) {
  DispatchWanted wanted = communication.wanted();
  wanted.tokens = wanted.tokens || !sharded;
  return wanted;
}

}  // namespace

ExpertTraffic::ExpertTraffic(const Deployment& deployment, const RankLayout& layout,
                             const Communication& communication, const LayerRoutes& routes,
                             const LayerPricing& pricing)
    : deployment_(deployment),
      communication_(communication),
      routes_(routes),
      pricing_(pricing),
      sharded_(tokens_are_sharded(deployment)),
      orders_rows_(sharded_ && communication.wants_rows_in_order() && pricing.kernels.moves_rows()),
      gathers_tokens_(deployment.layout.ep == 1 &&
                      experts_in_tensor_group(deployment.engine.composition) ==
                          ExpertsInTensorGroup::Replicated),
      wanted_(wanted_by(communication, sharded_ && !gathers_tokens_)),
      stage_ranks_(layout.ranks() / static_cast<Rank>(deployment.layout.pp)),
      pricer_(pricing, sharded_ && communication.delivers_sorted(), deployment.layout.etp),
      rows_(layout) {}

LayerTraffic ExpertTraffic::route(std::uint32_t step, std::size_t index, std::int64_t layer,
                                  Rank first, const MicroBatch& batch, StepAccount& account) {
  const MoeFfn& moe = *deployment_.model.moe(layer);
  const LayerRoute& from = routes_[index];
  if (account.layers.size() <= index) account.layers.resize(index + 1);
  account.layers[index].layer = layer;

  LayerTraffic traffic;
  rows_.clear(from.placement->slots_per_rank());
  for (std::size_t g = 0; g < batch.groups.size(); ++g) {
    const ExpertGroup& group = batch.groups[g];
    const RoutingView routing = from.source->view({.step = step,
                                                   .layer = from.layer,
                                                   .first = batch.first_token + group.first_token,
                                                   .count = group.tokens()},
                                                  routing_);
    counted(index, *from.placement, batch.sources[g].node)
        .count(routing, batch.sources[g], wanted_, counts_);
    add_to(account, index, group, moe, *from.placement);
    rows_.add(group, counts_);
    if (!sharded_) continue;
    if (orders_rows_) order_rows(group, batch.sources[g], moe, traffic);
    std::vector<Rank> ranks = group.ranks;
    for (Rank& rank : ranks) rank += first;
    traffic.exchanges.push_back(
        communication_.tokens(ranks, batch.sources[g], counts_, moe, deployment_.model.hidden));
  }
  std::vector<std::uint64_t>& rank_rows = account.layers[index].rank_rows;
  rank_rows.resize(rows_.cells());
  for (std::size_t cell = 0; cell < rows_.cells(); ++cell) {
    const std::int64_t rows = sum(rows_.cell_rows(cell));
    rank_rows[cell] += static_cast<std::uint64_t>(rows);
    account.rows += rows;
  }
  for (Rank r = 0; r < stage_ranks_; ++r) {
    const auto rows = rows_.rows(r);
    traffic.rows.push_back(gathers_tokens_ ? rows_.tokens(r) : sum(rows));
    traffic.experts.push_back(&pricer_.price(moe, rows, rows_.tokens(r)));
  }
  return traffic;
}

CountedBlocks& ExpertTraffic::counted(std::size_t index, const LayerPlacement& placement,
                                      const std::vector<std::uint16_t>& node) {
  if (counted_.size() <= index) counted_.resize(index + 1);
  std::vector<CountedBlocks>& of_layer = counted_[index];
  const auto known = std::ranges::find(of_layer, node, &CountedBlocks::node);
  return known != of_layer.end() ? *known : of_layer.emplace_back(placement, node);
}

void ExpertTraffic::order_rows(const ExpertGroup& group, const TokenSources& sources,
                               const MoeFfn& moe, LayerTraffic& traffic) const {
  traffic.rows_out.resize(stage_ranks_);
  traffic.rows_back.resize(stage_ranks_);
  const std::size_t ranks = group.ranks.size();
  const std::int64_t width = moe.dispatch_width(deployment_.model.hidden);
  for (std::size_t r = 0; r < ranks; ++r) {
    hardware::RowsShape rows{.tokens = sources.begin[r + 1] - sources.begin[r]};
    for (std::size_t to = 0; to < ranks; ++to) rows.rows += counts_.tokens[r * ranks + to];
    if (rows.rows == 0) continue;
    rows.row_bytes = communication_.dispatched_bytes(width);
    traffic.rows_out[group.ranks[r]] += pricing_.kernels.rows(rows, pricing_.share);
    rows.row_bytes = communication_.combined_bytes(width);
    rows.back = true;
    traffic.rows_back[group.ranks[r]] += pricing_.kernels.rows(rows, pricing_.share);
  }
}

void ExpertTraffic::add_to(StepAccount& account, std::size_t index, const ExpertGroup& group,
                           const MoeFfn& moe, const LayerPlacement& placement) const {
  LayerLoad& load = account.layers[index];
  load.expert_counts.resize(placement.experts());
  account.routed_tokens += group.tokens();
  account.selections += std::int64_t{group.tokens()} * moe.top_k;
  account.missing += static_cast<std::int64_t>(counts_.missing);
  const std::int64_t copies = total(counts_.tokens);
  account.copies += copies;
  if (!group.replicated) account.copies_away += copies - at_home(counts_.tokens, counts_.ranks);
  // Every selection is a row somewhere.
  if (!counts_.selections.empty() && !group.replicated) {
    account.selections_away += total(counts_.rows) - at_home(counts_.selections, counts_.ranks);
  }
  const auto slots = placement.slot_expert();
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    load.expert_counts[slots[slot]] += counts_.rows[slot];
  }
}

}  // namespace moesim::workloads
