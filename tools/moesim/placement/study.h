// Expert placements on a trace, side by side: what each makes of the traffic and the step, what its
// replicas take, how it ages, and what making it anew costs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "workloads/placement/evaluation.h"
#include "workloads/placement/rebalance.h"
#include "workloads/report/report.h"
#include "workloads/scenario.h"

namespace moesim::tools {

// What is asked, as a scenario whose placement is exchanged.
struct PlacementStudy {
  workloads::Scenario scenario;
  std::uint32_t layers = 0, experts = 0, groups = 1;  // of mixtures, of one, of its router
  workloads::TokenSources sources;
  double copy_bytes = 0;                // of a token to a rank and back
  double expert_bytes = 0;              // weights of one expert
  std::uint32_t windows = 2;            // for ageing, each of scenario.step()->count steps
  std::vector<std::string> notes = {};  // what the reader must know
};

// Throws ConfigError where the scenario is not one of tokens that start evenly on all expert ranks.
PlacementStudy placement_study(workloads::Scenario scenario, std::uint32_t windows);

// The trace as the routing of the study's steps.
std::unique_ptr<workloads::RoutingSource> open_source(const PlacementStudy& study);

struct PlacementEntry {
  std::string name;
  std::uint32_t redundant = 0;
  workloads::PlacementScore score;
  workloads::Report report;
  double replica_bytes = 0;      // of a GPU
  double replica_kv_tokens = 0;  // tokens of cache that a GPU could hold in their place

  // Of placements that are made from loads: from one window's to the next, the worst.
  workloads::WeightMoves moves;
  double move_us = 0;
  std::vector<workloads::RebalanceInterval> intervals;  // empty for the others
};

// As a run does: the placement is made from the window of steps that follows the one it is judged
// on.
PlacementEntry judge(const PlacementStudy& study, workloads::RoutingSource& source,
                     const std::string& name, std::uint32_t redundant);

}  // namespace moesim::tools
