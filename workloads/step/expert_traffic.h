// What the routing of one mixture layer asks of the machine: bytes between ranks, rows for experts.
// Here a token's choice of experts becomes work.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/placement/counted_blocks.h"
#include "workloads/step/communication.h"
#include "workloads/step/expert_work.h"
#include "workloads/step/layer_routes.h"
#include "workloads/step/micro_batch.h"
#include "workloads/step/step_account.h"

namespace moesim::workloads {

// Of one micro-batch in one layer, on the ranks of one stage.
struct LayerTraffic {
  std::vector<TokenExchange> exchanges;  // of each group; none where tokens are not sharded
  std::vector<const Work*> experts;      // of each rank
  // That the etp ranks of each rank gather: a row for each choice of a token or, where all of them
  // have a part of every expert (ep = 1) in an engine that keeps tokens replicated, each token once
  // (TensorRT-LLM's fused_moe gathers hidden states and choices, and scatters sums).
  std::vector<std::int64_t> rows;
  // Of each rank, where the exchange wants rows in order and the device knows what that costs:
  // copies of tokens into that order, and those that come back added up.
  std::vector<Work> rows_out, rows_back;
};

class ExpertTraffic {
 public:
  // All arguments outlive this.
  ExpertTraffic(const Deployment& deployment, const RankLayout& layout,
                const Communication& communication, const LayerRoutes& routes,
                const LayerPricing& pricing);

  // Mixture layer `index` (layer `layer` of the model) in step `step` of the routing; `first` is
  // the stage's first rank. Adds to the account.
  LayerTraffic route(std::uint32_t step, std::size_t index, std::int64_t layer, Rank first,
                     const MicroBatch& batch, StepAccount& account);

 private:
  CountedBlocks& counted(std::size_t index, const LayerPlacement& placement,
                         const std::vector<std::uint16_t>& node);
  void order_rows(const ExpertGroup& group, const TokenSources& sources, const MoeFfn& moe,
                  LayerTraffic& traffic) const;
  void add_to(StepAccount& account, std::size_t index, const ExpertGroup& group, const MoeFfn& moe,
              const LayerPlacement& placement) const;

  const Deployment& deployment_;
  const Communication& communication_;
  const LayerRoutes& routes_;
  const LayerPricing& pricing_;
  bool sharded_;
  bool orders_rows_;
  bool gathers_tokens_;
  DispatchWanted wanted_;
  Rank stage_ranks_;
  ExpertPricer pricer_;
  LayerRouting routing_;  // of the group at hand; keeps its storage
  // By layer; groups whose ranks lie on nodes alike share one.
  std::vector<std::vector<CountedBlocks>> counted_;
  DispatchCounts counts_;  // of the group at hand; keeps its storage
  ExpertRows rows_;        // of the layer at hand
};

}  // namespace moesim::workloads
