// What vLLM's MLA modules take beside the kernels that are priced, where a table times the module
// as PyTorch runs it, eagerly: a start for each of some fifteen small kernels (rotation, the parts
// of keys put together, the cache written, scales of an fp8 cache), and those kernels' own passes
// over a token's vectors. Not what an engine takes that plays the module as a recorded graph.
#pragma once

#include <cstdint>

namespace moesim::validation {

struct EagerModule {
  double cache_16bit_us, cache_8bit_us;  // of a pass, by the format of its cache
  double token_us;                       // of a token of it
};

// Fitted on the 3,654 rows of vLLM's modules on one H100 (weighted medians of what its kernels
// leave of a time, tests/validation/test_eager_modules.cpp), whatever the heads: with each number
// of heads held out decodes are off by 4.9 % (p90 14), prompts by 5.3 % (15). They are taken over
// by all devices. A token's 0.024 us are five vectors of 7168 numbers at H100's bandwidth.
inline constexpr EagerModule kEagerDecode{44.0, 62.9, 0.024}, kEagerPrompt{49.1, 54.4, 0.024};

double eager_us(const EagerModule& module, double cache_bytes, std::int64_t tokens);

}  // namespace moesim::validation
