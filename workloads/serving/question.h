// `serving:` of a scenario: what load a deployment gets, how it is run, what it is to attain.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "workloads/deployment/deployment.h"
#include "workloads/deployment/read_kernels.h"
#include "workloads/serving/loop/serving_loop.h"
#include "workloads/serving/requests/law_stream.h"
#include "workloads/serving/requests/trace_stream.h"
#include "workloads/serving/targets.h"

namespace moesim::workloads::serving {

// The cache of a dp rank.
struct CacheRules {
  double fraction = 0.9;  // of the memory that the engine takes
  FractionOf of = FractionOf::Card;
  sim::Bytes reserve{};
  std::int64_t block = 16;                  // tokens
  std::optional<std::int64_t> blocks = {};  // instead of what the memory's plan gives
};

// Replicas of one layout. Where ranks of dp share no experts, each is an engine of its own.
struct Pool {
  std::string name = "replicas";
  TokenPhase phase = TokenPhase::Any;  // of its passes' tokens: of one alone, or of both
  std::int64_t replicas = 1;           // engines, from the start
  // How their number follows the load, in groups of `together` engines (what was asked for as one).
  std::optional<ScaleRules> scale = {};
  std::int64_t together = 1;
  Parallelism layout = {};   // of one engine
  KernelNames kernels = {};  // in place of the deployment's
  SchedulerRules scheduler = {};
  GraphRules graphs = {};
  CacheRules cache = {};
  RankChoice ranks = RankChoice::RoundRobin;
  std::int64_t agree_every = 1, balance_iterations = 0;
  RouterRules router = {};

  std::int64_t most_replicas() const { return scale ? scale->most * together : replicas; }
};

struct TransferChoice {
  TransferMode mode = TransferMode::Pull;
  sim::Duration post{}, setup{};
  bool layerwise = false;
};

enum class CostKind { Lattice, Exact };
inline constexpr std::array<std::string_view, 2> kCostKindNames{"lattice", "exact"};

struct IterationRules {
  CostKind cost = CostKind::Lattice;
  double error = 0.005;
  std::int64_t draws = 32;   // windows of the routing
  std::int64_t checks = 16;  // iterations that are played again
};

struct ServingQuestion {
  std::variant<RequestLaws, RequestTrace> requests = RequestLaws{};
  std::int64_t warm_up = 0;
  ClientRules client = {};
  Pool pool = {};                    // that generates tokens
  std::optional<Pool> prefill = {};  // that reads prompts, if another does
  TransferChoice transfer = {};
  std::vector<double> accepted = {};  // of drafted tokens
  Targets targets = {};
  IterationRules iteration = {};

  // Lengths, of all requests. REQUIRES of a trace: read_facts()
  double mean_input() const;
  double mean_output() const;
  double own_input() const;      // without what a law's requests have in common
  double least_input() const;    // 1 where a law has no least
  std::int64_t longest() const;  // input and output of a request, that is likely
  double tokens_a_step() const;  // of a sequence: its own, and those drafted that are accepted
  std::int64_t gpus() const;     // of all engines, where their number varies of the most
  bool scales() const { return pool.scale || (prefill && prefill->scale); }
};

// Requests a second that a load asks, where it is one number: of a law that has no stages, of a
// trace on average. What sets it makes a trace's requests come faster or slower, all alike.
// REQUIRES of a trace: read_facts(); of set_rate: rate_of() has a value
std::optional<double> rate_of(const ServingQuestion& question);
void set_rate(ServingQuestion& question, double rate_per_s);

// The deployment of one engine of a pool.
Deployment deployment_of(const Deployment& all, const Pool& pool);

}  // namespace moesim::workloads::serving
