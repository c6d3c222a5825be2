#include "workloads/memory/dispatch_limit.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/error.h"
#include "workloads/step/token_split.h"

namespace moesim::workloads {
namespace {

std::int64_t most_tokens(const Batch& batch) {
  std::int64_t most = 0;
  for (const RankBatch& rank : batch.ranks) most = std::max(most, tokens_of(rank));
  return most;
}

}  // namespace

std::optional<std::string> beyond_dispatch(const Deployment& d, std::int64_t step_tokens) {
  const Parallelism& p = d.layout;
  if (d.tokens != hardware::MulticastAlgorithm::DeepEpLowLatency || !d.model.is_moe() || p.ep == 1)
    return {};
  const std::int64_t parts =
      (tokens_are_sharded(d) ? p.tp * p.cp : 1) * (d.overlap.two_batch ? 2 : 1);
  const std::int64_t tokens = (step_tokens + parts - 1) / parts;
  if (tokens <= kMostLowLatencyTokens) return {};
  return fmt::format(
      "kernels.all_to_all: deepep_low_latency takes {} tokens of a rank at most, not {}: "
      "deepep_normal takes any number",
      kMostLowLatencyTokens, tokens);
}

void check_dispatch(const Deployment& deployment, const Batch& batch) {
  if (const auto why = beyond_dispatch(deployment, most_tokens(batch)))
    throw sim::InfeasibleError(*why);
}

bool fits_dispatch(const Deployment& deployment, const Batch& batch) {
  return !beyond_dispatch(deployment, most_tokens(batch));
}

}  // namespace moesim::workloads
