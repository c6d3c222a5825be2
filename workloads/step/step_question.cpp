#include "workloads/step/step_question.h"

#include <algorithm>

namespace moesim::workloads {
namespace {

// Passes that a prompt is read in.
std::int64_t passes(const Refill& refill) {
  return (refill.prompt + refill.chunk - 1) / refill.chunk;
}

// Prompts, or chunks of prompts, that a rank prefills in a step, on the mean: one for each sequence
// that ends, in as many passes as it has chunks.
double prompts_a_step(const RankBatch& rank, const StepQuestion& question) {
  const Refill& refill = question.refill;
  const double ended = static_cast<double>(sequences_of(rank)) * question.speculation.accepted /
                       static_cast<double>(refill.output);
  return ended * static_cast<double>(passes(refill));
}

// The passes of a prompt share it out; they see 1, 2, … parts of its keys: half of it and of a part
// on the mean.
BatchShape chunks_of(const Refill& refill, std::int64_t count) {
  const std::int64_t part = (refill.prompt + passes(refill) - 1) / passes(refill);
  return {.phase = StepPhase::Prefill,
          .sequences = count,
          .query_length = part,
          .kv_length = (refill.prompt + part) / 2,
          .encoder_length = refill.prompt};
}

// Every rank with `prompts` beside what it decodes.
StepKind kind_of(const StepQuestion& question, std::int64_t prompts, double weight) {
  StepKind kind{.batch = {.ranks = question.ranks, .drafted = question.speculation.draft},
                .weight = weight};
  double generated = 0, read = 0;
  for (RankBatch& rank : kind.batch.ranks) {
    for (BatchShape& part : rank) {
      if (part.phase == StepPhase::Prefill) {
        read += static_cast<double>(part.tokens());
        continue;
      }
      generated += static_cast<double>(part.sequences) * question.speculation.accepted;
      part.query_length = 1 + question.speculation.draft;
    }
    if (prompts > 0) rank.push_back(chunks_of(question.refill, prompts));
  }
  kind.output = (generated > 0 ? generated : read) / static_cast<double>(kind.batch.ranks.size());
  return kind;
}

}  // namespace

StepQuestion decode_question(std::int64_t sequences, std::int64_t context) {
  return {.ranks = {{decoding(sequences, context)}}};
}

StepQuestion prefill_question(std::int64_t tokens, std::int64_t prompt) {
  const std::int64_t query = std::min(prompt, tokens);
  return {.ranks = {{prompts(tokens / query, query, prompt - query)}}};
}

std::vector<StepKind> step_kinds(const StepQuestion& question) {
  if (question.refill.prompt == 0) return {kind_of(question, 0, 1)};
  // All dp ranks prefill in the same steps: as the mean rank needs it.
  double each = 0;
  for (const RankBatch& rank : question.ranks) each += prompts_a_step(rank, question);
  each /= static_cast<double>(question.ranks.size());
  const auto fewer = static_cast<std::int64_t>(each);
  const double more = each - static_cast<double>(fewer);
  std::vector<StepKind> kinds;
  if (more < 1) kinds.push_back(kind_of(question, fewer, 1 - more));
  if (more > 0) kinds.push_back(kind_of(question, fewer + 1, more));
  return kinds;
}

}  // namespace moesim::workloads
