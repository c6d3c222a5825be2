// What stands: a model on a cluster, laid out, in its formats, with its kernels, host and routing.
// Equal deployments price equal batches equally. What is asked of it is a question of its own
// (workloads/scenario.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/collectives/collectives.h"
#include "hardware/collectives/multicast.h"
#include "hardware/kernels/kernels.h"
#include "hardware/network/network_model.h"
#include "hardware/power.h"
#include "workloads/deployment/engine.h"
#include "workloads/deployment/host.h"
#include "workloads/model/model_spec.h"
#include "workloads/placement/parallelism.h"
#include "workloads/placement/survival.h"
#include "workloads/routing/laws/laws.h"
#include "workloads/routing/laws/rank_loads.h"
#include "workloads/routing/trace/trace_source.h"

namespace moesim::workloads {

// `routing:`: a trace, loads by rank, or a law. How a trace is mapped onto a model of another shape
// is said here and repeated in the report.
struct RoutingChoice {
  std::filesystem::path trace = {};  // empty: a law, or loads by rank
  RankLoads ranks = {};
  TraceMapping mapping = {};
  Law law = Law::Uniform;
  double skew = 0;   // the law's; without meaning for balanced and uniform
  double drift = 0;  // of the law's popularities from step to step
  // Where unpacked traces are kept; may be none. Changes no answer, and is no part of a scenario.
  std::shared_ptr<const TraceCache> cache = nullptr;
};

struct PlacementChoice {
  std::string experts = "linear";   // a placement's name
  std::filesystem::path file = {};  // or a file with the slots
  std::int64_t redundant = 0;       // slots beyond one an expert
  std::string balancer = "none";    // none | eplb: as experts: eplb
  Survive survive = Survive::None;  // of eplb: what replicas are put apart for
  // Ranks of ep that were lost, ascending, of the ep + lost.size() that placements are made for
  // (elastic.h). Layout and redundant slots are what is left.
  std::vector<std::uint32_t> lost = {};
};

struct Network {
  hardware::Fidelity fidelity = hardware::Fidelity::Fluid;
  // Of the fluid network: completions so close are merged.
  double tolerance = hardware::kDefaultTolerance;
};

struct Overlap {
  bool two_batch = false;      // two micro-batches: one computes while the other exchanges
  bool shared_expert = false;  // the shared experts beside the dispatch, on a stream of their own
};

struct Deployment {
  ModelSpec model;
  hardware::Cluster cluster;
  Formats formats = {};
  Parallelism layout = {};
  PlacementChoice placement = {};
  hardware::KernelChoice kernels = {};
  hardware::AllReduceLibrary all_reduce = hardware::AllReduceLibrary::Trtllm;
  hardware::MulticastAlgorithm tokens = hardware::MulticastAlgorithm::Nccl;
  // That carries tokens instead in passes of decodes alone (step/token_kernels.h); none: `tokens`.
  std::optional<hardware::MulticastAlgorithm> decode_tokens = {};
  Network network = {};
  Overlap overlap = {};
  Engine engine = {};  // as its file has it; nameless where there is none. kernels, all_reduce,
                       // tokens and host are what counts
  Host host = {};
  RoutingChoice routing = {};
  hardware::PowerChoice power = {};
  std::uint64_t seed = 1;
};

}  // namespace moesim::workloads
