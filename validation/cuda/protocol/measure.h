// One point of a plan on a machine: memory, random data, the operation, its error and its time.
#pragma once

#include "validation/cuda/protocol/points.h"

namespace moesim::validation::cuda {

struct MeasureOptions {
  std::uint64_t seed = 1;
  TimingRequest timing;
  // Cold: sets of operands are rotated until they hold this many times the L2.
  double cold_over_l2 = 3;
  int most_sets = 1024;  // a point of which so many are not enough is flagged: not_cold
};

// Never throws for what a point or the machine cannot do: the flags say it.
PointResult measure(Machine& machine, const PlanPoint& point, const MeasureOptions& options);

// For each selection (token, k) an expert, such that expert e gets loads[e] in all and no token the
// same one twice. REQUIRES: the loads sum to tokens * top_k, none over tokens
std::vector<int> deal_selections(const std::vector<int>& loads, int tokens, int top_k);

}  // namespace moesim::validation::cuda
