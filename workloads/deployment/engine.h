// An inference engine: all that is an engine's own, so that whoever asks reads one thing.
// configs/engines/<engine>-<version>.yaml, `engine:` of a scenario.
//
//   name: SGLang 0.4.6, scheduler not overlapped
//   kernels: {gemm: sglang, moe: sglang, attention: sglang, on: {blackwell: {moe: trtllm}}}
//                                                                # defaults of `kernels:`
//   composition: {quantisation: fused, tensor_parallel: all_reduce, …, of: {qwen3: {quantisation:
//   per_product}}} host: {per_step: 6.7 ms, per_launch: 5 us, overlapped: false, graphs: decode}
//   graphs: {sizes: [1, 2, 4, "8..256+8"], pad: true, up_to: 160}
//   by_card: [{memory_below: 60 GiB, ranks_below: 4, chunk: 4096, graphs_up_to: 32}, ...]
//   memory: {fraction: 0.9, of: card, reserve: 0 GB, block: 16}
//   # or, of a card: memory: {leaves: [{bytes: 512 MiB}, {bytes: 2 MiB, per: graph_token}]}
//   scheduler: {tokens: 8192, sequences: 1024, …}
//   rules: {ep: [1, "tp * dp"], tp: "divides heads"}
//   dispatch_tokens: 128  # of a rank, that DeepEP's low-latency buffers are sized for
//   elastic: true   # goes on without a GPU that is lost (elastic.h)
//   source: what was read, where, when
//
// Every part may be left out but `name` and `source`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "workloads/deployment/engine_parts.h"
#include "workloads/deployment/host.h"
#include "workloads/deployment/read_kernels.h"
#include "workloads/placement/parallelism.h"

namespace moesim::workloads {

// Where an engine does not say how many tokens a rank may dispatch at low latency, and the most
// that any may be told: DeepEP's README (deepseek-ai/DeepEP, "Example use in inference decoding")
// wants num_max_dispatch_tokens_per_rank below 256, vLLM's VLLM_MOE_DP_CHUNK_SIZE is 256, public
// tables end there; SGLang's default is 128, and 1,024 is what the kernels' counters hold
// (FINISHED_SUM_TAG; SGLANG_DEEPEP_NUM_MAX_DISPATCH_TOKENS_PER_RANK).
inline constexpr std::int64_t kMostDispatchTokens = 256, kHighestDispatchTokens = 1024;

struct Engine {
  std::string name = {}, source = {};
  std::filesystem::path file = {};  // that it was read from
  EngineKernels kernels = {};
  Host host = {};
  Composition composition = {};  // of the model at hand, once a deployment is read
  std::map<std::string, Composition> composition_of = {};  // of a model's family, instead of that
  std::optional<CapturedGraphs> graphs = {};
  std::vector<CardDefaults> by_card = {};  // the first line that fits counts
  std::optional<EngineMemory> memory = {};
  std::optional<EngineScheduler> scheduler = {};
  LayoutRules rules = {};
  bool elastic = false;
  // The most tokens that it sizes the buffers of low-latency kernels for, of a rank.
  std::int64_t dispatch_tokens = kMostDispatchTokens;
};

// The dp ranks of one engine: those that share experts. Others are engines of their own.
std::int64_t dp_of_engine(const Parallelism& layout);

// The engine as it starts on such cards, tp x dp of them together: with what its file has by card,
// where it has a line for them.
Engine started_on(Engine engine, const hardware::Device& card, const Parallelism& layout);

// The part of a card's memory that the engine takes where it is not told: its `fraction`, or what
// it `leaves` with its chunk and graphs, in thousandths. Nothing where its file says neither.
std::optional<double> fraction_of(const Engine& engine, const hardware::Device& card,
                                  const Parallelism& layout);

// `dispatch_tokens:` of an engine's file and of a scenario's `engine:`.
std::int64_t read_dispatch_tokens(const sim::io::YamlNode& node);

// Throws ConfigError that lists every mistake of the file, InputError where it cannot be read.
Engine load_engine(const std::filesystem::path& file);

// What the engine's file says and a step does not play, a line a part: "engine file vllm-0.19: its
// scheduler is not played by a step".
std::vector<std::string> notes_of(const Engine& engine);

}  // namespace moesim::workloads
