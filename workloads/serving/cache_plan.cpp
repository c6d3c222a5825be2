#include "workloads/serving/cache_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <tuple>

#include "sim/error.h"
#include "sim/units_text.h"
#include "workloads/step/token_split.h"

namespace moesim::workloads::serving {
namespace {

constexpr std::int64_t kSequences = 64;  // over which allocation granules are spread

ServingOptions options_of(const Deployment& d, const Pool& pool, std::int64_t step_tokens) {
  ServingOptions options;
  options.formats = d.formats;
  options.redundant_experts = d.placement.redundant;
  options.prediction = pool.scheduler.draft > 0;
  options.page_tokens = pool.cache.block;
  options.batches_in_flight = d.overlap.two_batch ? 2 : 1;
  options.communication.multicast = d.tokens;
  options.communication.beside = d.decode_tokens;
  options.communication.gpus_per_node = d.cluster.gpus_per_node;
  options.cuda_graphs = static_cast<std::int64_t>(pool.graphs.sizes.size());
  const Parallelism& p = d.layout;
  options.communication.dispatch_tokens = d.decode_tokens ? d.engine.dispatch_tokens
                                          : tokens_are_sharded(d)
                                              ? (step_tokens + p.tp * p.cp - 1) / (p.tp * p.cp)
                                              : step_tokens;
  return options;
}

// Whether the pool has a layout or kernels of its own.
bool is_apart(const Deployment& all, const Pool& pool) {
  const auto sizes = [](const Parallelism& p) {
    return std::tie(p.tp, p.pp, p.dp, p.ep, p.etp, p.cp, p.order);
  };
  const KernelNames& names = pool.kernels;
  const auto is_named = [](const std::string& name) { return !name.empty(); };
  return sizes(pool.layout) != sizes(all.layout) || is_named(names.kernels.gemm) ||
         is_named(names.kernels.moe) || is_named(names.kernels.attention) ||
         is_named(names.all_reduce) || is_named(names.all_to_all);
}

}  // namespace

CachePlan plan_cache(const Deployment& deployment, const Pool& pool, double mean_context) {
  std::optional<Deployment> own;
  if (is_apart(deployment, pool)) own = deployment_of(deployment, pool);
  const Deployment& d = own ? *own : deployment;
  const std::int64_t step_tokens = std::min(pool.scheduler.prompt_budget(), kNoLimit);
  // A pool that does nothing but decode has small passes.
  const ServingOptions options = options_of(d, pool, step_tokens);
  ServingLoad load{.sequences = 0, .step_tokens = step_tokens};
  load.logits = std::min(pool.scheduler.sequences, step_tokens);
  CachePlan plan{.block = pool.cache.block};
  plan.memory = plan_serving(d.model, d.layout, options, load, d.cluster.device);

  // Whole blocks: what a sequence leaves empty of its last one is no part of a block's bytes.
  const std::int64_t block = pool.cache.block;
  const auto context =
      (std::max<std::int64_t>(1, std::llround(mean_context)) + block - 1) / block * block;
  load.sequences = kSequences;
  load.context = context;
  const MemoryPlan with = plan_serving(d.model, d.layout, options, load, d.cluster.device);
  const auto capacity = static_cast<double>(plan.memory.capacity);
  // SGLang's fraction is of weights and cache; passes take what it leaves.
  const bool holds_no_passes = pool.cache.of == FractionOf::Card && d.engine.memory &&
                               d.engine.memory->holds == FractionHolds::WeightsAndCache;
  double least = INFINITY;
  for (std::size_t s = 0; s < with.stages.size(); ++s) {
    const GpuMemory& gpu = plan.memory.stages[s];
    const std::int64_t beside = holds_no_passes ? gpu.activations + gpu.graphs : 0;
    const auto fixed = static_cast<double>(gpu.peak() - gpu.kv_cache - beside);
    const double all = pool.cache.of == FractionOf::Card ? capacity * pool.cache.fraction - fixed
                                                         : (capacity - fixed) * pool.cache.fraction;
    const double room = all - static_cast<double>(pool.cache.reserve.count());
    const double per_token =
        static_cast<double>(with.stages[s].kv_cache) / static_cast<double>(kSequences * context);
    plan.sent_per_token += per_token * static_cast<double>(d.layout.tp * d.layout.cp);
    if (per_token == 0) continue;
    const double blocks = room / (per_token * static_cast<double>(pool.cache.block));
    if (blocks < least) {
      least = blocks;
      plan.bytes_per_token = per_token;
      plan.for_cache = static_cast<std::int64_t>(room);
    }
  }
  if (std::isinf(least)) least = static_cast<double>(kNoLimit);  // nothing grows with the context
  plan.blocks = pool.cache.blocks.value_or(static_cast<std::int64_t>(std::floor(least)));
  const GpuMemory& gpu = plan.memory.gpu();
  if (plan.blocks < 1) {
    throw sim::InfeasibleError(fmt::format(
        "{}: no room for a cache: weights, activations of {} tokens, buffers and context take {} "
        "of "
        "{} of {} {}; parallelism (tp, pp, ep) divides weights, a smaller scheduler.tokens the "
        "activations",
        pool.name, step_tokens, sim::to_text(sim::Bytes(gpu.peak() - gpu.kv_cache)),
        pool.cache.fraction, sim::to_text(sim::Bytes(plan.memory.capacity)),
        pool.cache.of == FractionOf::Card ? "of the card" : "that are free"));
  }
  for (GpuMemory& stage : plan.memory.stages) {
    const std::int64_t beside = stage.peak() - stage.kv_cache;
    stage.kv_cache = std::llround(static_cast<double>(plan.blocks) *
                                  static_cast<double>(pool.cache.block) * plan.bytes_per_token);
    if (pool.cache.blocks && beside + stage.kv_cache > plan.memory.capacity) {
      throw sim::InfeasibleError(fmt::format(
          "{}: kv.blocks: {} blocks of {} tokens take {}, and what stands beside them {}, of {}",
          pool.name, plan.blocks, pool.cache.block, sim::to_text(sim::Bytes(stage.kv_cache)),
          sim::to_text(sim::Bytes(beside)), sim::to_text(sim::Bytes(plan.memory.capacity))));
    }
  }
  return plan;
}

}  // namespace moesim::workloads::serving
