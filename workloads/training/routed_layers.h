// What the routing of a mixture layer comes to on an expert group: who sends what, and how many
// rows each rank's experts have. Counted once for a layer and a draw, however many passes ask; of
// many tokens of a law the counts themselves are drawn (drawn_dispatch.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "workloads/deployment/deployment.h"
#include "workloads/placement/counted_runs.h"
#include "workloads/placement/drawn_dispatch.h"
#include "workloads/step/communication.h"
#include "workloads/step/expert_work.h"
#include "workloads/step/layer_routes.h"
#include "workloads/step/micro_batch.h"
#include "workloads/step/step_account.h"

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
  // What experts and ranks compute of it.
  LayerLoad load(std::size_t moe_index, const MoeFfn& moe, std::uint32_t draw);

 private:
  RoutedLayer count(std::size_t moe_index, const MoeFfn& moe, std::uint32_t draw);
  // Of one expert group's tokens.
  void count(std::size_t moe_index, const MoeFfn& moe, std::uint32_t draw, std::size_t group,
             const DispatchWanted& wanted, RoutedLayer& layer, DispatchCounts& counts);
  // How the tokens of an expert group are drawn as counts; null where each is drawn for itself.
  const DrawnDispatch* drawn(std::size_t moe_index, std::size_t group, std::uint32_t draw,
                             const DispatchWanted& wanted);

  const Deployment& group_;
  const RankLayout& layout_;
  const Communication& communication_;
  const LayerRoutes& routes_;
  const MicroBatch& routed_;
  std::optional<double> drops_over_;
  bool dealt_, sharded_, by_choice_;
  std::map<std::pair<std::size_t, std::uint32_t>, RoutedLayer> known_;
  std::map<std::pair<std::size_t, std::size_t>, CountedRuns> runs_;  // by layer, group
  // Of a trace's rows, the same in all layers: by source, draw, group.
  std::map<std::tuple<const RoutingSource*, std::uint32_t, std::size_t>, RowRuns> row_runs_;
  struct Drawn {
    std::uint32_t draw = 0;  // that it is of, where a law drifts
    std::optional<DrawnDispatch> dispatch = {};
  };
  std::map<std::pair<std::size_t, std::size_t>, Drawn> drawn_;  // by layer, group
};

}  // namespace moesim::workloads
