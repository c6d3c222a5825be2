// What a placement makes of a routing: how even the ranks are, and what crosses which network.
//
// A token that goes to several ranks of another node crosses the network once, to the rank of that
// node with the sender's place in its own, and is passed on over NVLink (as DeepEP's normal mode
// and a hierarchical all-to-all do). Counts are token copies; times the width of a token they are
// bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workloads/placement/dispatch.h"
#include "workloads/placement/experts.h"
#include "workloads/routing/routing.h"
#include "workloads/routing/statistics/analysis.h"

namespace moesim::workloads {

struct PlacementScore {
  std::string name;
  // Rows on the busiest rank over the mean: mean over layers and steps, and the worst.
  double rank_max_over_mean = 0, worst_rank_max_over_mean = 0;
  double ranks_per_token = 0, nodes_per_token = 0;  // that a token visits, means
  // Token copies of one direction (dispatch), sums over the layers, a step.
  double nvlink_copies = 0, network_copies = 0;
  // The busiest port, in copies, summed over the layers (each layer waits for its own): of a rank's
  // network port and of its NVLink port, in or out.
  double busiest_network = 0, busiest_nvlink = 0;
  // By layer, means over the steps.
  std::vector<double> busiest_rows;                 // rows of the busiest rank
  std::vector<double> layer_network, layer_nvlink;  // copies over the busiest port
};

struct EvaluationWindow {
  std::uint32_t first_step = 0;
  std::uint32_t steps = 1;
};

PlacementScore evaluate(const ExpertPlacement& placement, RoutingSource& source,
                        const TokenSources& sources, const EvaluationWindow& window);

// The busiest rank's load over the mean where every replica takes an equal part of its expert's
// load; mean over the layers. A layer without load counts as 1.
double rank_max_over_mean(const ExpertPlacement& placement, const LoadTable& loads);

// The weights that move when one placement follows another: a slot that holds another expert than
// before fetches it from a rank of its node that had it, else over the network. Counts are experts.
struct WeightMoves {
  std::uint64_t total = 0, over_network = 0;
  std::uint64_t busiest_network = 0, busiest_nvlink = 0;  // of a rank, in or out
};
WeightMoves weight_moves(const ExpertPlacement& before, const ExpertPlacement& after,
                         std::uint32_t layers, const TokenSources& sources);

}  // namespace moesim::workloads
