// How much a rank does in one pass through its layers: sequences and tokens, as attention sees
// them.
#pragma once

#include <cstdint>

namespace moesim::workloads {

enum class StepPhase { Prefill, Decode };

// Of one dp rank and one micro-batch.
struct BatchShape {
  std::int64_t sequences = 0;
  std::int64_t query_length = 1;    // new tokens of each sequence: 1 in decode
  std::int64_t kv_length = 0;       // keys each sees at the end of the pass, the new ones included
  std::int64_t encoder_length = 0;  // keys of an encoder's result, for cross attention

  std::int64_t tokens() const { return sequences * query_length; }
};

}  // namespace moesim::workloads
