// A question of memory alone, as YAML: a model laid out over a device's GPUs, serving or training.
//
//   model: ../models/llama-3-70b.yaml   # a file, or a name that the caller knows
//   keep_layers: 12                     # optional: the first so many, or a list of layers
//   device: ../devices/b200.yaml
//   parallelism: {tp: 2, dp: 4}
//   training: {sequence: 4096, microbatches: 4}      # or serving: {weights: fp8, context: 4096}
//
// With an engine the question is whether it starts, and what its cache then holds:
//
//   engine: vllm-0.19                                     # likewise
//   precision: {weights: fp8, kv_cache: fp8}              # as a scenario has it
//   serving: {fraction: 0.9, context: 32768, sequences: 64}
#pragma once

#include <filesystem>
#include <optional>

#include "sim/io/json.h"
#include "workloads/deployment/read.h"
#include "workloads/memory/engine_memory.h"
#include "workloads/memory/serving_plan.h"
#include "workloads/memory/training_plan.h"

namespace moesim::sim::io {
class YamlNode;
}

namespace moesim::workloads {

struct MemoryRequest {
  ModelSpec model;
  hardware::Device device;
  Parallelism parallelism;
  bool trains = false;
  TrainingLoad training;
  ServingOptions options;
  ServingLoad serving;
  std::optional<Engine> engine;
  EngineQuestion asked;  // of the engine
};

// Notes mistakes in the node's document; what is returned may be used once throw_errors() returned.
// Throws ConfigError, InputError where a file that it names cannot be read.
// `shipped`: what may be named.
MemoryRequest read_memory_request(const sim::io::YamlNode& node, const Shipped& shipped = {});

// {"memory": {weights_bytes, ..., peak_bytes, capacity_bytes, fits}, "stages": [{...}, ...]}: the
// fullest GPU, and one of each stage. allocated_bytes: without communication buffers and context.
// state_bytes_per_parameter: of training, without ZeRO-3. Throws ConfigError where the layout is
// none. With an engine also {"engine": {starts, why, fraction, least_fraction, budget_bytes,
// for_cache_bytes, cache_tokens, largest_context, largest_batch_per_dp_rank, flags, log, …}}, and
// "memory" is the engine's: its cache takes what is for it.
sim::io::Json answer(const MemoryRequest& request);

// The same of a plan that was made otherwise.
sim::io::Json answer(const TrainingPlan& plan);

// The card of {model: FILE, context: 4096, kv_cache: bf16} as JSON, without GPUs to hold it.
sim::io::Json answer_card(const sim::io::YamlNode& node);

}  // namespace moesim::workloads
