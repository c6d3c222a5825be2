#include "workloads/memory/dispatch_limit.h"

#include <fmt/format.h>

#include "hardware/collectives/low_latency_limit.h"
#include "sim/error.h"
#include "workloads/step/token_kernels.h"

namespace moesim::workloads {

static_assert(kHighestDispatchTokens == hardware::kMostLowLatencyTokens);

std::optional<std::string> beyond_dispatch(const Deployment& d, std::int64_t step_tokens) {
  if (d.tokens != hardware::MulticastAlgorithm::DeepEpLowLatency || !d.model.is_moe() ||
      d.layout.ep == 1)
    return {};
  const std::int64_t tokens = dispatched_at_once(d, step_tokens);
  if (tokens <= d.engine.dispatch_tokens) return {};
  return fmt::format(
      "kernels.all_to_all: deepep_low_latency takes {} tokens of a rank at most, not {}: "
      "deepep_normal takes any number, deepep has both, engine.dispatch_tokens is what its buffers "
      "are sized for ({} at most)",
      d.engine.dispatch_tokens, tokens, kHighestDispatchTokens);
}

void check_dispatch(const Deployment& deployment, const Batch& batch) {
  if (const auto why = beyond_dispatch(deployment, most_tokens(batch)))
    throw sim::InfeasibleError(*why);
}

bool fits_dispatch(const Deployment& deployment, const Batch& batch) {
  return !beyond_dispatch(deployment, most_tokens(batch));
}

}  // namespace moesim::workloads
