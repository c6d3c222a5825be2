// How many blocks of cache a dp rank has: what an engine's log says first.
#pragma once

#include <cstdint>

#include "workloads/memory/serving_plan.h"
#include "workloads/serving/question.h"

namespace moesim::workloads::serving {

struct CachePlan {
  std::int64_t blocks = 0, block = 1;  // of one dp rank
  double bytes_per_token = 0;          // on one GPU, all layers of its stage
  double sent_per_token = 0;           // on all GPUs of a dp rank: what a transfer moves
  MemoryPlan memory = {};              // with the cache that the blocks take
  std::int64_t for_cache = 0;          // bytes on the fullest GPU
};

// Of the card's memory the engine's fraction, less weights, activations of a full iteration,
// buffers, graphs and context (activations and graphs are beside it where the engine's fraction
// holds weights and cache); or its fraction of what these leave. `mean_context`: at which a
// token's bytes are taken (windows and states do not grow). Throws InfeasibleError where there is
// no room.
CachePlan plan_cache(const Deployment& deployment, const Pool& pool, double mean_context);

}  // namespace moesim::workloads::serving
