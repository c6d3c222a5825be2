// One step of a model on a cluster as an op graph of all ranks.
//
// A layer is attention, then a dense feed-forward network or router, dispatch, experts, combine.
// With tensor parallelism its collectives stand between. Where each rank routes its own tokens
// (token_split.h), attention ends in a reduce-scatter over the tp ranks and the mixture layer in an
// all-gather; otherwise both end in an all-reduce. Tensor parallelism inside experts gathers the
// rows that its ranks received and scatters the results.
//
// The host comes first (workloads/host.h): it thinks before the step, or beside it, and launches
// kernels, unless they are a graph. A step with speculation ends with the passes of a draft layer,
// which is priced as the last mixture layer with its router's choices.
//
// With two-batch overlap one half computes while the other exchanges. With pipeline stages the
// graph holds two steps one after another: the first fills the pipeline, the second is what counts.
#pragma once

#include <cstdint>
#include <memory>

#include "hardware/kernels/kernels.h"
#include "sim/op_graph.h"
#include "workloads/scenario.h"
#include "workloads/step/communication.h"
#include "workloads/step/layer_routes.h"
#include "workloads/step/micro_batch.h"
#include "workloads/step/step_account.h"

namespace moesim::workloads {

struct BuiltStep {
  sim::OpGraph graph;
  StepAccount account;     // of what counts: not of the step that fills the pipeline
  sim::OpId first_op = 0;  // of what counts
};

class StepBuilder {
 public:
  // All arguments outlive the builder. `routes` give as many tokens a step as the fullest kind has.
  StepBuilder(const Scenario& scenario, const RankLayout& layout, const hardware::Kernels& kernels,
              const Communication& communication, const LayerRoutes& routes);
  ~StepBuilder();

  // Steps of the routing that one build takes.
  static std::int64_t rounds(const Scenario& scenario) {
    return scenario.parallelism.pp > 1 ? 2 : 1;
  }

  // A step of the scenario's `kind`th kind (step_kinds).
  BuiltStep build(std::uint32_t step, std::size_t kind = 0);

 private:
  class Pass;
  struct Common;
  std::unique_ptr<Common> common_;
};

}  // namespace moesim::workloads
