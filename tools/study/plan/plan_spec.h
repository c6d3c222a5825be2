// The question of a plan, as YAML:
//
//   model: deepseek-v3
//   load: {arrivals: {law: poisson, rate: 24 /s}, input: 2000, output: 500}     # serving.requests
//   # or of single steps: {phase: decode, context: 4096, rate: 50000 /s}        # tokens a second
//   #                     {phase: prefill, prompt: 4096, rate: 200000 /s}
//   targets: {ttft: 2 s, tpot: {p95: 80 ms}, attained: 0.99, confidence: 0.8}  # serving.targets
//   gpus: [{cluster: h200-8x8, price: 2.60 USD/h, host: 350 W}, {cluster: gb200-nvl72}]
//   limits: {gpus: 64, cost: 400 USD/h, power: 250 kW}
//   pue: 1.2                                     # of power: what cooling and losses add
//   space: {tp: [1, 2, 4, 8], pp: [1, 2, 4], cp: [1], etp: [1, tp], ep: any, redundant: [0],
//           two_batch: [false], pools: [together, apart]}
//   vary: {precision.kv_cache: [bf16, fp8]}      # anything else of a scenario
//   objective: cost                              # gpus | cost | power | throughput
//   spare: {nodes: 1}                            # or {gpus: 1}
//   reliability: {gpu_hours: 50700, restart: 600 s, recovery: 57 s}   # to a stop; until an engine
//                                     # serves again; until an elastic one goes on without the GPU;
//                                     # what is not said, the file of the GPU's cluster may say
//   search: {keep: 0, finalists: 5, margin: 12 %, exhaustive: false}    # a part or percent
//
//   # or a run of training in time, of which layout, schedule, micro-batch and recomputation are
//   # searched: read_training_goal.h
//
// and what a scenario says of a deployment (precision, routing, placement, kernels, network,
// overlap, engine, host, power, seed) and, under `serving`, of how it is run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/io/yaml_reader.h"
#include "tools/study/axis.h"
#include "tools/study/plan/availability.h"
#include "tools/study/plan/layouts.h"
#include "tools/study/plan/offer.h"
#include "tools/study/plan/training_choice.h"
#include "workloads/serving/requests/trace_stream.h"
#include "workloads/serving/targets.h"

namespace moesim::tools {

// A kind of GPU that may be bought: a cluster to take nodes of.
struct GpuChoice {
  std::string cluster;                // YAML text: a name, a file, h200:8x8, or {file: …, …}
  double price = 0;                   // of a GPU and hour; 0: none is known
  std::optional<double> host_w = {};  // beside a GPU: its part of the host
};

// A load of steps, all alike.
struct StepLoad {
  bool decode = true;
  std::int64_t length = 0;  // keys of a sequence that decodes, tokens of a prompt
};

struct PlanSpace {
  LayoutSpace layouts = {};
  std::vector<std::int64_t> redundant = {0};
  std::vector<bool> two_batch = {false};
  bool together = true, apart = false;  // prompts and tokens on the same engines; in pools
  TrainingSpace training = {};
};

struct PlanSpec {
  std::string title;
  // Keys of a scenario, and their values as YAML text; paths are whole.
  std::vector<std::pair<std::string, std::string>> base = {};
  std::optional<TrainingGoal> training = {};
  std::optional<StepLoad> steps = {};  // neither: requests are served
  std::string load_text = {};          // YAML text of serving.requests
  bool counts_requests = false;        // the load says how many: that many, whatever is planned
  std::optional<workloads::serving::RequestTrace> trace = {};  // the load, read; none: by laws
  workloads::serving::Targets targets = {};                    // of steps: the one time
  std::string targets_text = {};                               // YAML text of serving.targets
  std::vector<GpuChoice> gpus = {};
  std::string currency = {};                     // of prices; empty where there are none
  double pue = 1;                                // power drawn over power of the machines
  hardware::StatedReliability reliability = {};  // by the plan; else by a kind's cluster
  PlanSpace space = {};
  std::vector<Axis> vary = {};
  Demand demand = {};
  double margin = 0.12;
  std::int64_t keep = 0;  // estimated on all layers at least
  std::int64_t finalists = 5;
  bool exhaustive = false;
};

// Throws ConfigError that lists every mistake of the document.
PlanSpec read_plan(const sim::io::YamlNode& root);

// A list of whole numbers, ascending, each once; one of none is a mistake.
std::vector<std::int64_t> integers(const sim::io::YamlNode& node, std::int64_t least,
                                   std::int64_t most);

// A value as YAML text on one line: words that read as what they are stay so, others are quoted; a
// path of a file that is there is made whole.
std::string yaml_text(const sim::io::YamlNode& node);

}  // namespace moesim::tools
