// Which kernels carry the tokens of a pass to their experts and back, where a deployment has two
// kinds of them (deployment/all_to_all.h). They are the same on all ranks, which meet in them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "workloads/deployment/deployment.h"
#include "workloads/step/batch.h"

namespace moesim::workloads {

// Tokens that a rank dispatches at once of a dp rank's `step_tokens`: micro-batches (of a pipeline,
// of two batches that overlap) are dispatched apart; ranks that share the tokens of a dp rank (tp,
// cp) each dispatch their part.
std::int64_t dispatched_at_once(const Deployment& deployment, std::int64_t step_tokens);

// Of the dp rank of `batch` that has most.
std::int64_t most_tokens(const Batch& batch);

// Whether the kernels of decodes carry a pass (Deployment::decode_tokens): no rank has a token of
// a prompt in it, and none dispatches more than they take.
bool decode_kernels_carry(const Deployment& deployment, const Batch& batch);

// Where a pass of so many decoded tokens of a dp rank is beyond them: that it takes the others.
std::optional<std::string> note_of_large_decodes(const Deployment& deployment,
                                                 std::int64_t step_tokens);

}  // namespace moesim::workloads
