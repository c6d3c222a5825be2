// Predictions of measured engines where the bars are set: by generation of the GPU with each
// engine's bias, and where the cache binds.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "validation/serving/e2e_validation.h"

namespace moesim::validation {

// Percent: of the size of errors their median and 90th percentile, at most; and of the median of
// errors, for each engine, the size.
struct ErrorBar {
  double median = 0, p90 = 0;
  bool met(const E2eError& e) const { return e.median <= median && e.p90 <= p90; }
};
inline constexpr ErrorBar kHopperBar{10, 25}, kBlackwellBar{14, 35}, kCacheBar{15, 30};
inline constexpr double kEngineBias = 5;

enum class Generation { Hopper, Blackwell };
inline constexpr std::array<std::string_view, 2> kGenerationNames{"Hopper", "Blackwell"};
// By a row's system: h100_sxm, gh200 …; b200_sxm, gb200 … . Nothing of another, such as a100.
std::optional<Generation> generation_of(const E2eRow& row);

struct GenerationErrors {
  ErrorBar bar = {};
  E2eError all = {};
  std::map<std::string, E2eError> by_engine = {};  // each one's bias at most kEngineBias
};
// Time per output token. A generation without rows has n 0.
std::array<GenerationErrors, 2> by_generation(const std::vector<E2ePrediction>& predictions);

// Of rows whose clients want more tokens cached than there is room for (demand > 1). Output tokens
// a second are those of the table, or, in a closed loop of C clients, C x osl / (TTFT + (osl - 1) x
// TPOT), measured and predicted alike; the first token's time is the queue's.
struct CacheBound {
  E2eError throughput, ttft;
};
CacheBound where_cache_binds(const std::vector<E2ePrediction>& predictions);

}  // namespace moesim::validation
