#include "workloads/memory/step_memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/units_text.h"

#include "workloads/step/token_split.h"

namespace moesim::workloads {
namespace {

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

std::string gigabytes(std::int64_t bytes) {
  return sim::to_text(sim::Bytes(bytes));
}

}  // namespace

MemoryPlan plan_step_memory(const Deployment& d, const Batch& batch, std::int64_t expert_rows) {
  const Parallelism& p = d.layout;
  ServingOptions options;
  options.formats = d.formats;
  options.redundant_experts = d.placement.redundant;
  options.batches_in_flight = d.overlap.two_batch ? 2 : 1;
  options.communication.multicast = d.tokens;
  options.communication.beside = d.decode_tokens;
  options.communication.gpus_per_node = d.cluster.gpus_per_node;

  MemoryPlan most;
  for (const RankBatch& rank : batch.ranks) {
    ServingLoad load = load_of(rank);
    // Engines allocate buffers of messages for the most tokens they will ever dispatch.
    const std::int64_t routed = tokens_are_sharded(d)
                                    ? (load.step_tokens + p.tp * p.cp - 1) / (p.tp * p.cp)
                                    : load.step_tokens;
    options.communication.dispatch_tokens =
        d.decode_tokens ? d.engine.dispatch_tokens
                        : std::max(options.communication.dispatch_tokens, routed);
    if (expert_rows > 0) load.expert_rows = expert_rows;
    MemoryPlan plan = plan_serving(d.model, p, options, load, d.cluster.device);
    if (most.stages.empty() || plan.gpu().peak() > most.gpu().peak()) most = std::move(plan);
  }
  return most;
}

std::string advice_of(const Deployment& d, const Batch& batch, const MemoryPlan& plan) {
  const GpuMemory& gpu = plan.gpu();
  const std::string lacks = fmt::format("needs {} of {} on the fullest GPU", gigabytes(gpu.peak()),
                                        gigabytes(plan.capacity));
  const std::int64_t fixed = gpu.weights() + gpu.buffers + gpu.graphs + gpu.context;
  if (fixed >= plan.capacity) {
    const Parallelism& p = d.layout;
    const bool all_experts = d.model.is_moe() && p.ep * p.etp == 1 && p.gpus() > p.pp;
    return fmt::format(
        "{}: weights and buffers alone take {}; {} divides them, fewer bytes a weight "
        "(precision.weights) shrink them",
        lacks, gigabytes(fixed),
        all_experts ? "parallelism.ep, or etp," : "parallelism (tp, pp, ep)");
  }
  const RankBatch& rank = batch.ranks.front();
  if (!batch.same() || rank.size() != 1 || rank.front().phase != StepPhase::Decode) {
    return lacks + ": fewer or shorter sequences would do";
  }
  // The most that fits, by halving: memory grows with the sequences.
  std::int64_t good = 0, bad = rank.front().sequences;
  while (bad - good > 1) {
    Batch tried = batch;
    const std::int64_t middle = good + (bad - good) / 2;
    tried.ranks.front().front().sequences = middle;
    (plan_step_memory(d, tried, 0).fits() ? good : bad) = middle;
  }
  if (good == 0) {
    return fmt::format("{}: not one sequence of {} keys fits beside the weights", lacks,
                       rank.front().kv_length);
  }
  return fmt::format("{}: {} sequence{} a dp rank would fit (step.batch_per_rank)", lacks, good,
                     good == 1 ? "" : "s");
}

}  // namespace moesim::workloads
