// What is asked: a model, on a cluster, laid out and routed in a certain way, for one step.
// configs/scenarios/*.yaml; the keys are in workloads/README.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/kernels/kernels.h"
#include "hardware/network/network_model.h"
#include "sim/io/json.h"
#include "workloads/host.h"
#include "workloads/model/model_spec.h"
#include "workloads/placement/parallelism.h"
#include "workloads/routing/laws.h"
#include "workloads/routing/trace_source.h"
#include "workloads/step/layer_work.h"
#include "workloads/step/step_shape.h"

namespace moesim::sim::io {
class YamlDocument;
}

namespace moesim::workloads {

// `routing:`: a trace, or a law. How a trace is mapped onto a model of another shape is said here
// and repeated in the report.
struct RoutingChoice {
  std::filesystem::path trace;  // empty: a law
  TraceMapping mapping;
  Law law = Law::Uniform;
  double skew = 0;   // the law's; without meaning for balanced and uniform
  double drift = 0;  // of the law's popularities from step to step
};

struct PlacementChoice {
  std::string experts = "linear";  // a placement's name
  std::filesystem::path file;      // or a file with the slots
  std::int64_t redundant = 0;      // slots beyond one an expert
  std::string balancer = "none";   // none | eplb: as experts: eplb
};

struct ScenarioPrecision {
  PartPrecision parts;
  hardware::Precision dispatch = hardware::Precision::BF16;
  hardware::Precision combine = hardware::Precision::BF16;
};

struct OverlapChoice {
  bool two_batch = false;      // two micro-batches: one computes while the other exchanges
  bool shared_expert = false;  // the shared experts beside the dispatch, on a stream of their own
};

// Speculative decoding: a draft layer of the model (multi-token prediction) guesses tokens one
// after another, the model checks them all in one pass.
struct Speculation {
  std::int64_t draft = 0;  // tokens guessed; 0: none
  double accepted = 1;     // tokens a sequence gains in a step, the model's own included
};

// Sequences that end are followed by new ones, whose prompts are prefilled in the decode's passes:
// an engine that does both on the same GPUs. All dp ranks do so in the same steps.
struct Refill {
  std::int64_t prompt = 0;  // tokens of a prompt; 0: none are prefilled
  std::int64_t output = 0;  // tokens a sequence generates
  std::int64_t chunk = 0;   // prompt tokens of one pass
};

struct StepChoice {
  StepPhase phase = StepPhase::Decode;
  std::int64_t batch_per_rank = 1;  // decode: sequences of a dp rank
  std::int64_t context = 1024;      // decode: keys each sees, the new one included
  Speculation speculation = {};
  Refill refill = {};
  std::int64_t tokens_per_rank = 0;  // prefill: prompt tokens of a dp rank
  std::int64_t prompt = 0;           // prefill: length of each prompt
  std::int64_t count = 1;            // steps, each with the next tokens of the routing
};

struct Scenario {
  std::string name;
  std::filesystem::path file;
  std::filesystem::path model_file;
  std::filesystem::path cluster_file;
  ModelSpec model;
  hardware::Cluster cluster;
  ScenarioPrecision precision;
  Parallelism parallelism;
  RoutingChoice routing;
  PlacementChoice placement;
  hardware::KernelChoice kernels;
  std::string all_reduce = "trtllm";  // whose: hardware::all_reduce_names()
  std::string all_to_all = "nccl";
  hardware::Fidelity network = hardware::Fidelity::Fluid;
  double tolerance =
      hardware::kDefaultTolerance;  // of the fluid network: completions so close are merged
  OverlapChoice overlap;
  std::filesystem::path engine_file;
  HostChoice host;
  StepChoice step;
  std::uint64_t seed = 1;
};

// Reads a scenario with `key=value` overrides applied; throws ConfigError that lists every mistake,
// InputError for a file that cannot be read.
Scenario load_scenario(const std::filesystem::path& file,
                       const std::vector<std::string>& overrides = {});
// The two halves of it: the document with its overrides, and what it says.
sim::io::YamlDocument open_scenario(const std::filesystem::path& file,
                                    const std::vector<std::string>& overrides);
// (A document may also be in memory: a case's inline scenario. Paths are relative to its folder.)
Scenario read_scenario(sim::io::YamlDocument& document);

// Every value of the scenario, defaults included, as it will be used.
sim::io::Json resolved(const Scenario& scenario);

}  // namespace moesim::workloads
