// The most tokens that a low-latency dispatch takes of a rank.
//
// DeepEP's low-latency kernels have a place in their buffers for every token that any rank may send
// to any expert, so that their memory grows with the most tokens times all experts. An engine says
// for how many they are sized (engine.dispatch_tokens; deployment/engine.h has the sources).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "workloads/deployment/deployment.h"
#include "workloads/step/batch.h"

namespace moesim::workloads {

// Why so many tokens of a dp rank's step cannot be dispatched, and what would do; nothing where
// they can, or kernels without such a limit are there for it.
std::optional<std::string> beyond_dispatch(const Deployment& deployment, std::int64_t step_tokens);

// Of the dp rank of `batch` that has most. Throws InfeasibleError.
void check_dispatch(const Deployment& deployment, const Batch& batch);
// Whether it would not.
bool fits_dispatch(const Deployment& deployment, const Batch& batch);

}  // namespace moesim::workloads
