#include "workloads/memory/step_memory.h"

#include <algorithm>

#include "workloads/step/token_split.h"

namespace moesim::workloads {
namespace {

Exchanger exchanger_of(hardware::MulticastAlgorithm tokens) {
  if (tokens == hardware::MulticastAlgorithm::DeepEpNormal) return Exchanger::DeepEpNormal;
  if (tokens == hardware::MulticastAlgorithm::DeepEpLowLatency) return Exchanger::DeepEpLowLatency;
  return Exchanger::Nccl;
}

// The first part is the load's own; sequences of no other part are as long.
ServingLoad load_of(const RankBatch& batch) {
  ServingLoad load{.sequences = 0, .step_tokens = tokens_of(batch), .logits = logits_of(batch)};
  for (const BatchShape& part : batch) {
    if (load.sequences == 0) {
      load.sequences = part.sequences;
      load.context = part.kv_length;
    } else {
      load.beside.push_back({.sequences = part.sequences, .context = part.kv_length});
    }
  }
  return load;
}

}  // namespace

MemoryPlan plan_step_memory(const Deployment& d, const Batch& batch, std::int64_t expert_rows) {
  const Parallelism& p = d.layout;
  ServingOptions options;
  options.formats = d.formats;
  options.redundant_experts = d.placement.redundant;
  options.batches_in_flight = d.overlap.two_batch ? 2 : 1;
  options.communication.experts = exchanger_of(d.tokens);
  options.communication.gpus_per_node = d.cluster.gpus_per_node;

  MemoryPlan most;
  for (const RankBatch& rank : batch.ranks) {
    ServingLoad load = load_of(rank);
    if (options.communication.experts == Exchanger::DeepEpLowLatency) {
      // Engines allocate its buffers for the most tokens they will ever dispatch.
      const std::int64_t routed = tokens_are_sharded(p)
                                      ? (load.step_tokens + p.tp * p.cp - 1) / (p.tp * p.cp)
                                      : load.step_tokens;
      options.communication.dispatch_tokens =
          std::max(options.communication.dispatch_tokens, routed);
    }
    if (expert_rows > 0) load.expert_rows = expert_rows;
    MemoryPlan plan = plan_serving(d.model, p, options, load, d.cluster.device);
    if (most.stages.empty() || plan.gpu().peak() > most.gpu().peak()) most = std::move(plan);
  }
  return most;
}

}  // namespace moesim::workloads
