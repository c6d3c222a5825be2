#include "workloads/serving_memory.h"

#include <algorithm>

#include "workloads/memory_plan.h"
#include "workloads/step/communication.h"
#include "workloads/step/micro_batch.h"
#include "workloads/step/token_split.h"

namespace moesim::workloads {
namespace {

ServingLoad load_of(const StepChoice& step) {
  if (step.phase == StepPhase::Decode) {
    const std::int64_t tokens = step.batch_per_rank * (1 + step.speculation.draft);
    const StepKind most = step_kinds(step).back();
    return {.sequences = step.batch_per_rank,
            .context = step.context,
            .step_tokens = tokens + most.prompts * step.refill.chunk,
            .logits = tokens + most.prompts};
  }
  const std::int64_t prompts = std::max<std::int64_t>(1, step.tokens_per_rank / step.prompt);
  return {.sequences = prompts,
          .context = step.prompt,
          .step_tokens = step.tokens_per_rank,
          .logits = prompts};
}

}  // namespace

MemoryReport memory_of(const Scenario& scenario, std::int64_t expert_rows) {
  const PartPrecision& parts = scenario.precision.parts;
  const Parallelism& p = scenario.parallelism;
  ServingOptions options;
  options.weights = {.other = parts.other,
                     .experts = parts.experts,
                     .shared_experts = parts.shared,
                     .attention = parts.attention,
                     .dense_ffn = parts.dense,
                     .kv_cache = parts.kv_cache};
  options.activations = parts.activations;
  options.kv_cache = parts.kv_cache;
  options.dispatch = scenario.precision.dispatch;
  options.redundant_experts = scenario.placement.redundant;
  options.batches_in_flight = scenario.overlap.two_batch ? 2 : 1;
  options.communication.multicast = multicast_named(scenario.all_to_all);
  options.communication.gpus_per_node = scenario.cluster.gpus_per_node;

  ServingLoad load = load_of(scenario.step);
  // Engines allocate buffers of messages for the most tokens they will ever dispatch.
  const std::int64_t routed = tokens_are_sharded(p)
                                  ? (load.step_tokens + p.tp * p.cp - 1) / (p.tp * p.cp)
                                  : load.step_tokens;
  options.communication.dispatch_tokens = std::max(options.communication.dispatch_tokens, routed);
  if (expert_rows > 0) load.expert_rows = expert_rows;

  const MemoryPlan plan = plan_serving(scenario.model, p, options, load, scenario.cluster.device);
  const GpuMemory& gpu = plan.gpu();
  return {.weights = gpu.weights(),
          .kv_cache = gpu.kv_cache,
          .activations = gpu.activations,
          .buffers = gpu.buffers + gpu.graphs,
          .context = gpu.context,
          .peak = gpu.peak(),
          .capacity = plan.capacity,
          .fits = plan.fits()};
}

}  // namespace moesim::workloads
