// The most tokens that a low-latency dispatch takes of a rank.
//
// DeepEP's low-latency kernels have a place in their buffers for every token that any rank may send
// to any expert, so that their memory grows with the most tokens times all experts: its README
// (deepseek-ai/DeepEP, "Example use in inference decoding") wants num_max_dispatch_tokens_per_rank
// below 256, SGLang's default is 128 (SGLANG_DEEPEP_NUM_MAX_DISPATCH_TOKENS_PER_RANK), vLLM's 256
// (VLLM_MOE_DP_CHUNK_SIZE), public tables end at 256. SGLang lets it be raised to 1,024, which the
// kernels' counters hold (FINISHED_SUM_TAG); nothing is measured there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "workloads/deployment/deployment.h"
#include "workloads/step/batch.h"

namespace moesim::workloads {

inline constexpr std::int64_t kMostLowLatencyTokens = 256;

// Why so many tokens of a dp rank's step cannot be dispatched, and what would do; nothing where
// they can. Of two batches that overlap each is dispatched apart; ranks that share the tokens of a
// dp rank (tp, cp) each dispatch their part.
std::optional<std::string> beyond_dispatch(const Deployment& deployment, std::int64_t step_tokens);

// Of the dp rank of `batch` that has most. Throws InfeasibleError.
void check_dispatch(const Deployment& deployment, const Batch& batch);
// Whether it would not.
bool fits_dispatch(const Deployment& deployment, const Batch& batch);

}  // namespace moesim::workloads
