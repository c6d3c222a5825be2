#include "workloads/training/group_routing.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/error.h"
#include "workloads/placement/balanced.h"
#include "workloads/routing/trace/trace_cache.h"
#include "workloads/training/expert_group.h"

namespace moesim::workloads {
namespace {

// Experts that choose their tokens take as many each, whatever a law says of tokens' choices.
bool experts_choose(const ModelSpec& model) {
  const std::vector<std::int64_t> layers = model.moe_layers();
  return !layers.empty() && std::ranges::all_of(layers, [&](std::int64_t layer) {
    return model.moe(layer)->router.kind == RouterKind::ExpertChoice;
  });
}

}  // namespace

Deployment routed_group(const Deployment& deployment, const TrainingQuestion& question,
                        bool as_busy) {
  Deployment group = group_of(deployment);
  const bool even = group.routing.trace.empty() && experts_choose(group.model);
  if (question.is_filled() || even || as_busy) group.routing = {.law = Law::Balanced};
  return group;
}

bool is_balanced(const Deployment& group) {
  return !group.model.is_moe() ||
         (group.routing.trace.empty() && group.routing.law == Law::Balanced);
}

std::uint32_t draws_of(const Deployment& group, const TrainingQuestion& q,
                       const MicroBatch& batch) {
  if (is_balanced(group)) return 1;
  if (q.draws != kAllDraws) return static_cast<std::uint32_t>(q.draws);
  const RoutingChoice& choice = group.routing;
  const auto kept = choice.cache ? choice.cache->open(choice.trace) : nullptr;
  const TraceInfo info = kept ? kept->info : RoutingTrace::open(choice.trace).info();
  const TokenPhase phase = choice.mapping.phase;
  const MoeFfn& moe = *group.model.largest_moe();
  if (info.per_token && (info.experts != moe.experts || info.top_k != moe.top_k))
    throw sim::ConfigError(
        fmt::format("{}: draws: all: tokens are drawn from the trace's loads, of which there is no "
                    "end: training.draws: 64 would do",
                    info.file));
  const std::uint64_t tokens = batch.routed_tokens();
  const std::uint64_t held =
      phase == TokenPhase::Any ? info.tokens : tokens_of(RoutingTrace::open(choice.trace), phase);
  const std::uint64_t all = info.per_token ? held / tokens : info.steps;
  if (all == 0)
    throw sim::ConfigError(
        fmt::format("{}: draws: all: the trace holds {} tokens, and a micro-batch of an expert "
                    "group takes {}: training.draws: 8 would draw them again",
                    info.file, held, tokens));
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(all, 1 << 20));
}

bool is_alike(const Deployment& group) {
  const RoutingChoice& routing = group.routing;
  return is_balanced(group) ||
         (routing.trace.empty() && !routing.ranks.given() && routing.law == Law::Uniform &&
          routing.drift == 0 && group.placement.file.empty() &&
          !needs_evidence(group.placement.experts));
}

}  // namespace moesim::workloads
