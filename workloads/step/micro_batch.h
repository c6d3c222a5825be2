// The parts that a step's tokens are passed through the model in.
//
// A step is cut into as many micro-batches as there are pipeline stages, which follow each other;
// with two-batch overlap each is cut in two halves, which take turns.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/deployment/deployment.h"
#include "workloads/placement/dispatch.h"
#include "workloads/step/batch.h"
#include "workloads/step/token_split.h"

namespace moesim::workloads {

struct MicroBatch {
  Batch shape = {};
  std::vector<ExpertGroup> groups = {};    // ranks that exchange its tokens, of stage 0
  std::vector<TokenSources> sources = {};  // of each group: where its tokens start from
  std::uint32_t first_token = 0;           // in the step's routing
  char suffix = '\0';                      // 'a', 'b': which half

  std::uint32_t routed_tokens() const;
};

// All halves of all micro-batches of a step: [micro-batch][half].
using StepParts = std::vector<std::vector<MicroBatch>>;

// So many batches with as many sequences each, to one: a rank's sequences that are left over go to
// the first ones, those of its next part to the ones after these.
std::vector<Batch> cut(const Batch& batch, std::int64_t parts);

StepParts split_step(const Batch& batch, const Deployment& deployment, const RankLayout& layout);
// One token of each sequence of the micro-batch that decodes, which a draft layer guesses the next
// from.
MicroBatch draft_of(const MicroBatch& batch, const Deployment& deployment,
                    const RankLayout& layout);

// Tokens of a step that are routed, over all ranks.
std::int64_t routed_tokens(const StepParts& step);

}  // namespace moesim::workloads
