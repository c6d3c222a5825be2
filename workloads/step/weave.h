// From a program and a schedule to an op graph: micro-batches and pipeline stages strung together.
//
// The host comes first (workloads/deployment/host.h): it thinks before the step, or beside it, and
// launches kernels, unless they are a graph. A step with speculation ends with the passes of a
// draft layer, which is priced as the last mixture layer with its router's choices.
//
// With two-batch overlap one half computes while the other exchanges. With pipeline stages the
// graph holds two steps one after another: the first fills the pipeline, the second is what counts.
#pragma once

#include <cstdint>

#include "sim/op_graph.h"
#include "workloads/step/micro_batch.h"
#include "workloads/step/program.h"
#include "workloads/step/rank_clocks.h"
#include "workloads/step/step_account.h"

namespace moesim::workloads {

// A batch cut up for a deployment.
struct StepPlan {
  Batch batch;
  StepParts parts = {};
  StepParts drafts = {};  // of each part, the tokens that a draft layer starts from; or none
};
StepPlan plan_step(const Batch& batch, const Deployment& deployment, const RankLayout& layout);

struct BuiltStep {
  sim::OpGraph graph;
  StepAccount account;     // of what counts: not of the step that fills the pipeline
  sim::OpId first_op = 0;  // of what counts
};

// A step as the clocks of its ranks, and what it is made of.
struct ClockedStep {
  RankClocks clocks;
  StepAccount account;
};

// Steps of the routing that one weaving takes.
std::int64_t rounds(const Parallelism& layout);

// What weaving takes; all of it outlives the call.
struct Loom {
  Program& program;
  const Deployment& deployment;
  const RankLayout& layout;
  const Communication& communication;
  bool host = true;  // whether it thinks between steps; what it launches is launched either way
};

// Whether the host launches the kernels of such a step one by one: they are no recorded graph.
bool is_launched(const Host& host, const Batch& batch);

// `routing_step`: the first of those that it takes.
BuiltStep weave(const Loom& loom, const StepPlan& plan, std::uint32_t routing_step);
// The same step on clocks, its exchanges in closed form. `network` outlives what is returned.
ClockedStep clock(const Loom& loom, const StepPlan& plan, std::uint32_t routing_step,
                  hardware::BoundClocks& network, KeptTimes kept);

}  // namespace moesim::workloads
