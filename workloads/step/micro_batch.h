// The parts that a step's tokens are passed through the model in.
//
// A step is cut into as many micro-batches as there are pipeline stages, which follow each other;
// with two-batch overlap each is cut in two halves, which take turns.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/placement/dispatch.h"
#include "workloads/scenario.h"
#include "workloads/step/step_shape.h"
#include "workloads/step/token_split.h"

namespace moesim::workloads {

struct MicroBatch {
  Batch shape;                        // of each dp rank
  std::vector<ExpertGroup> groups;    // ranks that exchange its tokens, of stage 0
  std::vector<TokenSources> sources;  // of each group: where its tokens start from
  std::uint32_t first_token = 0;      // in the step's routing
  char suffix = '\0';                 // 'a', 'b': which half

  std::uint32_t routed_tokens() const;
};

// All halves of all micro-batches of a step: [micro-batch][half].
std::vector<std::vector<MicroBatch>> split_step(const Scenario& scenario, const RankLayout& layout);

// Tokens of a step that are routed, over all ranks.
std::int64_t routed_tokens(const std::vector<std::vector<MicroBatch>>& step);

}  // namespace moesim::workloads
