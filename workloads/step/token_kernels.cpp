#include "workloads/step/token_kernels.h"

#include <fmt/format.h>

#include <algorithm>

#include "workloads/deployment/all_to_all.h"
#include "workloads/step/token_split.h"

namespace moesim::workloads {

std::int64_t dispatched_at_once(const Deployment& d, std::int64_t step_tokens) {
  const Parallelism& p = d.layout;
  const std::int64_t parts =
      (tokens_are_sharded(d) ? p.tp * p.cp : 1) * p.pp * (d.overlap.two_batch ? 2 : 1);
  return (step_tokens + parts - 1) / parts;
}

std::int64_t most_tokens(const Batch& batch) {
  std::int64_t most = 0;
  for (const RankBatch& rank : batch.ranks) most = std::max(most, tokens_of(rank));
  return most;
}

bool decode_kernels_carry(const Deployment& d, const Batch& batch) {
  return d.decode_tokens && !has_prompts(batch) &&
         dispatched_at_once(d, most_tokens(batch)) <= d.engine.dispatch_tokens;
}

std::optional<std::string> note_of_large_decodes(const Deployment& d, std::int64_t step_tokens) {
  if (!d.decode_tokens || !d.model.is_moe() || d.layout.ep == 1) return {};
  const std::int64_t tokens = dispatched_at_once(d, step_tokens);
  if (tokens <= d.engine.dispatch_tokens) return {};
  return fmt::format(
      "kernels.all_to_all: {}: passes of decodes with more than {} tokens of a rank take {} (up to "
      "{} here); engine.dispatch_tokens raises that, at the cost of memory",
      all_to_all_name(d), d.engine.dispatch_tokens, hardware::traits_of(d.tokens).name, tokens);
}

}  // namespace moesim::workloads
