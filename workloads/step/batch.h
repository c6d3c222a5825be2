// What goes through the layers in one pass: sequences and tokens, as attention sees them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace moesim::workloads {

enum class StepPhase { Prefill, Decode };

// Sequences that are alike.
struct BatchShape {
  StepPhase phase = StepPhase::Decode;
  std::int64_t sequences = 0;
  std::int64_t query_length = 1;    // new tokens of each: in decode 1, and the drafted ones
  std::int64_t kv_length = 0;       // keys each sees at the end of the pass, the new ones included
  std::int64_t encoder_length = 0;  // keys of an encoder's result, for cross attention

  std::int64_t tokens() const { return sequences * query_length; }
  // Rows that the head projects: every token of a decode, the last one of a prompt.
  std::int64_t logits() const { return phase == StepPhase::Decode ? tokens() : sequences; }
  friend bool operator==(const BatchShape&, const BatchShape&) = default;
};

// Sequences that decode: `context` keys each, the new token included.
BatchShape decoding(std::int64_t sequences, std::int64_t context);
// Prompts of which `tokens` new ones each are read, after `before` keys that are there.
BatchShape prompts(std::int64_t sequences, std::int64_t tokens, std::int64_t before = 0);

// What one dp rank has: parts that are projected, routed and computed by experts together; each has
// an attention core of its own.
using RankBatch = std::vector<BatchShape>;

// For tables of them.
std::size_t hash_of(const RankBatch& batch);

std::int64_t tokens_of(const RankBatch& batch);
std::int64_t logits_of(const RankBatch& batch);
// Sequences that a step gives a token to: those that decode, or where none does the prompts.
std::int64_t sequences_of(const RankBatch& batch);
bool has_prompts(const RankBatch& batch);

struct Batch {
  std::vector<RankBatch> ranks;  // one: every dp rank has the same; else one a dp rank
  // Tokens that a draft layer guesses one after another for each sequence that decodes, once the
  // pass is done. (The pass checks the ones guessed before: query_length = 1 + drafted.)
  std::int64_t drafted = 0;

  bool same() const { return ranks.size() == 1; }
  const RankBatch& of(std::size_t dp_rank) const { return ranks[same() ? 0 : dp_rank]; }
  friend bool operator==(const Batch&, const Batch&) = default;
};

// The same on every dp rank.
Batch on_every_rank(RankBatch batch);

// Whether any rank reads a prompt: such a pass is no pure decode.
bool has_prompts(const Batch& batch);
// Of all of `dp` ranks.
std::int64_t tokens_of(const Batch& batch, std::int64_t dp);

}  // namespace moesim::workloads
