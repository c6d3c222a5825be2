// A question of memory alone, as YAML: a model laid out over a device's GPUs, serving or training.
//
//   model: ../models/llama-3-70b.yaml
//   keep_layers: 12                     # optional: the first so many, or a list of layers
//   device: ../devices/b200.yaml
//   parallelism: {tp: 2, dp: 4}
//   training: {sequence: 4096, microbatches: 4}      # or serving: {weights: fp8, context: 4096}
#pragma once

#include "sim/io/json.h"
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
};

// Notes mistakes in the node's document; what is returned may be used once throw_errors() returned.
// Throws ConfigError, InputError where a file that it names cannot be read.
MemoryRequest read_memory_request(const sim::io::YamlNode& node);

// {"memory": {weights_bytes, ..., peak_bytes, capacity_bytes, fits}, "stages": [{...}, ...]}: the
// fullest GPU, and one of each stage. allocated_bytes: without communication buffers and context.
// state_bytes_per_parameter: of training, without ZeRO-3. Throws ConfigError where the layout is
// none.
sim::io::Json answer(const MemoryRequest& request);

// The card of {model: FILE, context: 4096, kv_cache: bf16} as JSON, without GPUs to hold it.
sim::io::Json answer_card(const sim::io::YamlNode& node);

}  // namespace moesim::workloads
