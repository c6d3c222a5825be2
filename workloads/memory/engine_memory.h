// Whether an engine starts at a fraction of the GPU's memory, and what its cache then holds: what
// it decides when it starts, from its own file's rules (configs/engines, `memory:`).
//
//   everything          fraction x card holds weights, activations of a full pass, buffers, graphs,
//                       context and the cache (vLLM)
//   weights_and_cache   fraction x card holds weights, buffers, context and the cache; activations
//   and
//                       graphs find room in the rest (SGLang)
//   of: free            the cache takes the fraction of what all else leaves free (TensorRT-LLM)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "workloads/deployment/engine.h"
#include "workloads/memory/serving_plan.h"

namespace moesim::workloads {

struct EngineQuestion {
  std::optional<double> fraction = {};           // else the engine's own
  std::optional<std::int64_t> step_tokens = {};  // token budget of a pass; else the engine's own
  std::optional<std::int64_t> sequences = {};    // at once; else the engine's own
  std::int64_t context = 0;                      // that one sequence must have room for
  // Of a GPU, where the engine's log has told them ("Loading weights took … GiB").
  std::optional<sim::Bytes> weights_loaded = {};
};

struct EngineMemoryAnswer {
  bool starts = false;
  std::string why = {};  // it does not, and what would do
  double fraction = 0;
  std::int64_t step_tokens = 0, sequences = 0;
  GpuMemory gpu = {};             // of the stage with the least room; its cache is what is for it
  std::int64_t budget = 0;        // what the fraction may take of the card
  std::int64_t for_cache = 0;     // negative: lacks so much
  std::int64_t cache_tokens = 0;  // of a dp rank, in whole blocks
  std::int64_t block = 1;
  std::int64_t largest_context = 0;  // of one sequence
  std::int64_t largest_batch = 0;    // sequences of `context`, up to `sequences`
  std::optional<double> least_fraction =
      {};  // at which it starts, upward in thousandths; may be none
};

// REQUIRES: engine.memory; check_layout(layout) finds nothing. What the question and the engine do
// not say: a fraction of 0.9, a budget of 8,192 tokens, 256 sequences, blocks of 16. More sequences
// than the tokens of a pass that is for all of them are not started.
EngineMemoryAnswer ask_engine(const Engine& engine, const ModelSpec& model,
                              const Parallelism& layout, ServingOptions options,
                              const EngineQuestion& question, const hardware::Device& device);

// The engine's options that ask for the same: {"--gpu-memory-utilization 0.9", …}; empty where its
// file names none.
// They are of one engine: dp ranks that share no experts are engines of their own (engines_of).
std::vector<std::string> flags_of(const Engine& engine, const Parallelism& layout,
                                  const EngineMemoryAnswer& answer, std::int64_t context,
                                  hardware::Precision kv_cache);
std::int64_t engines_of(const Parallelism& layout);
// The line of its log to hold against the answer; empty where its file has none.
std::string log_line(const Engine& engine, const EngineMemoryAnswer& answer);

}  // namespace moesim::workloads
