// An inference engine: all that is an engine's own, so that whoever asks reads one thing.
// configs/engines/<engine>-<version>.yaml, `engine:` of a scenario.
//
//   name: SGLang 0.4.6, scheduler not overlapped
//   kernels: {gemm: sglang, moe: sglang, attention: sglang, on: {blackwell: {moe: trtllm}}}
//                                                                # defaults of `kernels:`
//   composition: {quantisation: fused, tensor_parallel: all_reduce, …, of: {qwen3: {quantisation:
//   per_product}}} host: {per_step: 6.7 ms, per_launch: 5 us, overlapped: false, graphs: decode}
//   graphs: {sizes: [1, 2, 4, "8..256+8"], pad: true}
//   memory: {fraction: 0.9, of: card, reserve: 0 GB, block: 16}
//   scheduler: {tokens: 8192, sequences: 1024, …}
//   rules: {ep: [1, "tp * dp"], tp: "divides heads"}
//   elastic: true   # goes on without a GPU that is lost (elastic.h)
//   source: what was read, where, when
//
// Every part may be left out but `name` and `source`.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "workloads/deployment/engine_parts.h"
#include "workloads/deployment/host.h"
#include "workloads/deployment/read_kernels.h"

namespace moesim::workloads {

struct Engine {
  std::string name = {}, source = {};
  std::filesystem::path file = {};  // that it was read from
  EngineKernels kernels = {};
  Host host = {};
  Composition composition = {};  // of the model at hand, once a deployment is read
  std::map<std::string, Composition> composition_of = {};  // of a model's family, instead of that
  std::optional<CapturedGraphs> graphs = {};
  std::optional<EngineMemory> memory = {};
  std::optional<EngineScheduler> scheduler = {};
  LayoutRules rules = {};
  bool elastic = false;
};

// Throws ConfigError that lists every mistake of the file, InputError where it cannot be read.
Engine load_engine(const std::filesystem::path& file);

// What the engine's file says and a step does not play, a line a part: "engine file vllm-0.19: its
// scheduler is not played by a step".
std::vector<std::string> notes_of(const Engine& engine);

}  // namespace moesim::workloads
