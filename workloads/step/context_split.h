// What a context-parallel rank has of a batch.
//
// Prompts: each rank's queries meet all keys (ring attention, or an all-gather of keys and values:
// Megatron-Core's context parallelism). Decode: the cache lies divided, so the queries of all
// sequences meet each rank's keys, and the parts of a result are merged (vLLM's decode context
// parallelism); what goes before and after, and states, are of a rank's own sequences.
#pragma once

#include "workloads/step/batch.h"
#include "workloads/step/token_split.h"

namespace moesim::workloads {

// Sequences that are alike, on the cp rank with the most of them.
struct ContextPart {
  BatchShape own;   // its tokens: what is projected, and what keeps a state
  BatchShape core;  // queries that meet keys on it; kv_length is of the whole sequence
};

// Where cp does not divide a sequence's queries or the sequences: rounded up.
inline ContextPart context_part(const BatchShape& shape, std::int64_t cp) {
  ContextPart part{shape, shape};
  if (shape.phase == StepPhase::Prefill) {
    part.own.query_length = part.core.query_length = part_of(shape.query_length, cp, 0);
  } else {
    part.own.sequences = part_of(shape.sequences, cp, 0);
  }
  return part;
}

}  // namespace moesim::workloads
