// What the routing of a mixture layer comes to on an expert group: who sends what, and how many
// rows each rank's experts have. Counted once for a layer and a draw, however many passes ask.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "workloads/deployment/deployment.h"
#include "workloads/placement/counted_runs.h"
#include "workloads/step/communication.h"
#include "workloads/step/expert_work.h"
#include "workloads/step/layer_routes.h"
#include "workloads/step/micro_batch.h"

namespace moesim::workloads {

struct RoutedLayer {
  ExpertRows rows;
  // Of each group of expert parallelism; none where every rank has all tokens.
  std::vector<hardware::PricedExchange> dispatch = {}, combine = {};
  std::int64_t selections = 0, dropped = 0;  // of all ranks: choices, and those over a capacity
};

class RoutedLayers {
 public:
  // All arguments outlive this. `routed`: the micro-batch, of a whole expert group. `drops_over`:
  // the capacity's factor, where what is over is dropped (capacity.h). `dealt`: every expert is
  // as busy, whatever the routes say (dealt_routing.h).
  RoutedLayers(const Deployment& group, const RankLayout& layout,
               const Communication& communication, const LayerRoutes& routes,
               const MicroBatch& routed, std::optional<double> drops_over = {}, bool dealt = false);

  // Whether a message is a choice: so does Megatron-Core's all-to-all send (transformer/moe,
  // token_dispatcher.py), and DeepEP's low-latency kernels; others send a token once to a rank.
  bool by_choice() const { return by_choice_; }
  // Whether ranks of tp have tokens of their own, which are sent; else each has all.
  bool sharded() const { return sharded_; }
  // Good as long as this. `draw`: which step of the routing.
  const RoutedLayer& of(std::size_t moe_index, const MoeFfn& moe, std::uint32_t draw);

 private:
  RoutedLayer count(std::size_t moe_index, const MoeFfn& moe, std::uint32_t draw);

  const Deployment& group_;
  const RankLayout& layout_;
  const Communication& communication_;
  const LayerRoutes& routes_;
  const MicroBatch& routed_;
  std::optional<double> drops_over_;
  bool dealt_, sharded_, by_choice_;
  std::map<std::pair<std::size_t, std::uint32_t>, RoutedLayer> known_;
  std::map<std::pair<std::size_t, std::size_t>, CountedRuns> runs_;  // by layer, group
};

}  // namespace moesim::workloads
