// What DeepEP's low-latency kernels count to.
#pragma once

#include <cstdint>

namespace moesim::hardware {

// Tokens of a rank in one dispatch at most; buffers are sized for as many as an engine says
// (dispatch_tokens), which are no more.
inline constexpr std::int64_t kMostLowLatencyTokens = 1024;

}  // namespace moesim::hardware
