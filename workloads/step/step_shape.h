// How much a rank does in one pass through its layers: sequences and tokens, as attention sees
// them.
#pragma once

#include <cstdint>

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
};

// Of one dp rank and one micro-batch: what goes through the layers together.
struct Batch {
  BatchShape main;
  BatchShape prompts = {};  // prefilled in the same pass as a decode; often of no sequences

  std::int64_t tokens() const { return main.tokens() + prompts.tokens(); }
  std::int64_t logits() const { return main.logits() + prompts.logits(); }
};

}  // namespace moesim::workloads
