#include "workloads/step/batch.h"

#include <algorithm>

namespace moesim::workloads {

BatchShape decoding(std::int64_t sequences, std::int64_t context) {
  return {.phase = StepPhase::Decode, .sequences = sequences, .kv_length = context};
}

BatchShape prompts(std::int64_t sequences, std::int64_t tokens, std::int64_t before) {
  return {.phase = StepPhase::Prefill,
          .sequences = sequences,
          .query_length = tokens,
          .kv_length = before + tokens,
          .encoder_length = before + tokens};
}

std::size_t hash_of(const RankBatch& batch) {
  std::uint64_t hash = 0;
  const auto mix = [&hash](std::int64_t value) {
    hash = (hash ^ static_cast<std::uint64_t>(value)) * 0x9E37'79B9'7F4A'7C15u;
    hash ^= hash >> 32;
  };
  for (const BatchShape& part : batch) {
    mix(static_cast<std::int64_t>(part.phase));
    mix(part.sequences);
    mix(part.query_length);
    mix(part.kv_length);
    mix(part.encoder_length);
  }
  return hash;
}

std::int64_t tokens_of(const RankBatch& batch) {
  std::int64_t sum = 0;
  for (const BatchShape& part : batch) sum += part.tokens();
  return sum;
}

std::int64_t logits_of(const RankBatch& batch) {
  std::int64_t sum = 0;
  for (const BatchShape& part : batch) sum += part.logits();
  return sum;
}

std::int64_t sequences_of(const RankBatch& batch) {
  std::int64_t decoding = 0, all = 0;
  for (const BatchShape& part : batch) {
    all += part.sequences;
    if (part.phase == StepPhase::Decode) decoding += part.sequences;
  }
  return decoding > 0 ? decoding : all;
}

bool has_prompts(const RankBatch& batch) {
  return std::ranges::any_of(batch, [](const BatchShape& part) {
    return part.phase == StepPhase::Prefill && part.sequences > 0;
  });
}

Batch on_every_rank(RankBatch batch) {
  return {.ranks = {std::move(batch)}};
}

bool has_prompts(const Batch& batch) {
  return std::ranges::any_of(batch.ranks, [](const RankBatch& rank) { return has_prompts(rank); });
}

std::int64_t tokens_of(const Batch& batch, std::int64_t dp) {
  std::int64_t sum = 0;
  for (const RankBatch& rank : batch.ranks) sum += tokens_of(rank);
  return batch.same() ? sum * dp : sum;
}

}  // namespace moesim::workloads
