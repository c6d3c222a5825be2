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

// Steps differ where prompts are prefilled beside the decode: in how many of them each dp rank has.
struct StepKind {
  std::int64_t prompts = 0;  // or chunks of prompts
  double weight = 1;         // the part of all steps that are so
};
// Prompts spread as evenly as whole ones can: one kind of step, or two neighbours. Weights sum
// to 1.
std::vector<StepKind> step_kinds(const StepChoice& step);

// All halves of all micro-batches of a step: [micro-batch][half].
std::vector<std::vector<MicroBatch>> split_step(const Scenario& scenario, const RankLayout& layout,
                                                std::int64_t prompts = 0);
// One token of each sequence of the micro-batch, which a draft layer guesses the next from.
MicroBatch draft_of(const MicroBatch& batch, const Scenario& scenario, const RankLayout& layout);

// Tokens of a step that are routed, over all ranks.
std::int64_t routed_tokens(const std::vector<std::vector<MicroBatch>>& step);

}  // namespace moesim::workloads
