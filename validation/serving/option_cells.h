// Cells of a table of run options: several values, ranges, and what a pool of two has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "validation/serving/e2e_rows.h"

namespace moesim::validation {

// From then on the benchmark's runs name their engine's version.
inline constexpr std::string_view kVersionsSince = "2026-01-21";

// A number or a formula of a run's lengths and concurrency: "16384", "C", "2*isl", "max(C 16)",
// "max(8192 roundup64(isl+C+64))", "max_model_len" (isl + osl + 200). Empty where it is none.
std::optional<std::int64_t> value_of(std::string_view formula, const E2eRow& row);

// "4|8", "*".
bool allows(std::string_view cell, std::string_view value);
bool allows(std::string_view cell, std::int64_t value);

// The end of a range of concurrencies: `open` where it is "*" or empty.
std::int64_t end_of(std::string_view cell, std::int64_t open);

// A share above 0, up to 1.
std::optional<double> share_of(std::string_view cell);

// "on; wait 0; timeout 60": so many iterations until every dp rank has a prompt; 50 where it does
// not say (llmapi/llm_args.py, AttentionDpConfig.timeout_iters).
std::optional<std::int64_t> balance_of(std::string_view cell);

std::string cache_of(std::string_view cell);  // "fp8", "bf16", or nothing

// Of what recipes call "TRTLLM", "CUTLASS", "DEEPGEMM", "MXFP4_USE_MARLIN=1",
// "MOE_USE_DEEP_GEMM=0 USE_FLASHINFER_MOE_FP8=0" (what is left is vLLM's own).
std::string experts_of(std::string_view cell);

// What carries tokens to their experts in "deep_gemm a2a=deepep deepep-mode=low_latency": "deepep",
// whose low-latency kernels carry decodes. Nothing where it is not said, or not known.
std::string exchange_of(std::string_view cell);

// The batches that decodes have graphs for, as YAML's list of sizes: "35 sizes 1..256; padded" (3
// and then every eighth, or, where there are as few as that, powers of two), "1 2 4 8; padded", "up
// to 512". `engine`: what it captures up to a largest batch. Nothing where the cell names no batch.
std::string graphs_of(std::string_view cell, std::string_view engine);

enum class PoolSide { Reads, Generates };
// What "P 8192; D 512" says of one; all of it where it does not part them; nothing for "-".
std::string_view part_of(std::string_view cell, PoolSide side);

}  // namespace moesim::validation
