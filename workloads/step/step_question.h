// A question of single steps: `step:` of a scenario.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/step/batch.h"

namespace moesim::workloads {

// Speculative decoding: a draft layer of the model (multi-token prediction) guesses tokens one
// after another, the model checks them all in one pass.
struct Speculation {
  std::int64_t draft = 0;  // tokens guessed; 0: none
  double accepted = 1;     // tokens a sequence gains in a step, the model's own included
};

// Sequences that end are followed by new ones, whose prompts are prefilled in the decode's passes:
// an engine that does both on the same GPUs. All dp ranks do so in the same steps.
struct Refill {
  std::int64_t prompt = 0;  // tokens of a prompt; 0: none are prefilled
  std::int64_t output = 0;  // tokens a sequence generates
  std::int64_t chunk = 0;   // prompt tokens of one pass
};

struct StepQuestion {
  std::vector<RankBatch> ranks = {{}};  // as Batch: one for all dp ranks, or one a dp rank
  Speculation speculation = {};
  Refill refill = {};
  std::int64_t count = 1;  // steps, each with the next tokens of the routing
};

// `batch_per_rank` sequences of `context` keys each.
StepQuestion decode_question(std::int64_t sequences, std::int64_t context);
// `tokens` new tokens a rank, in prompts of `prompt`: a prompt longer than a pass is read in
// chunks, of which this is the last one, which sees all of it. REQUIRES: prompt divides tokens, or
// is longer
StepQuestion prefill_question(std::int64_t tokens, std::int64_t prompt);

// Steps differ where prompts are prefilled beside the decode: in how many of them each dp rank has.
struct StepKind {
  Batch batch;
  double output = 0;  // tokens that a dp rank's step is worth, mean of the ranks: generated where
                      // any decodes, else read
  double weight = 1;  // the part of all steps that are so
};
// Prompts spread as evenly as whole ones can: one kind of step, or two neighbours, the one with
// more of them last. Weights sum to 1.
std::vector<StepKind> step_kinds(const StepQuestion& question);

}  // namespace moesim::workloads
