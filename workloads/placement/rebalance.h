// When does moving experts pay? What a placement loses as it ages, against what a new one costs.
#pragma once

#include <cstdint>
#include <vector>

#include "hardware/cluster.h"
#include "workloads/placement/evaluation.h"

namespace moesim::workloads {

// The loads of a window of steps.
LoadTable read_window_loads(RoutingSource& source, const TokenSources& sources,
                            const EvaluationWindow& window);

// Each rank sends and receives its experts, `expert_bytes` each, over NVLink and the network at the
// same time, at full rate; the slowest port decides. Microseconds.
double move_time_us(const WeightMoves& moves, double expert_bytes,
                    const hardware::Cluster& cluster);

struct RebalanceQuestion {
  std::vector<double> aged;  // rank max/mean of a placement 0, 1, … windows after its own
  double made_on_next = 1;   // rank max/mean that step_us was found with
  double step_us = 0;
  double balanced_us = 0;  // of step_us: the mean rank's expert time; it grows with max/mean
  std::uint32_t steps_per_window = 1;
  double move_us = 0;
};

// Rebalancing every `windows` windows: the placement serves windows 1 … `windows` after its own.
struct RebalanceInterval {
  std::uint32_t windows = 0;
  double rank_max_over_mean = 0;  // that many windows after
  double step_us = 0;             // mean over the windows served
  double with_moves_us = 0;       // with a step's share of the moves, which nothing hides
};
// From 1 to aged.size() - 1. A step is step_us + balanced_us x (max/mean - made_on_next).
std::vector<RebalanceInterval> rebalance_intervals(const RebalanceQuestion& question);

// The interval with the least time a step, moves included; of equals the longest; 0 for none.
std::uint32_t best_interval(const std::vector<RebalanceInterval>& intervals);

}  // namespace moesim::workloads
