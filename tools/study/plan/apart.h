// Engines that read prompts and engines that generate, apart: pools, rate-matched.
//
// Each layout that the memory's sieve lets pass is estimated twice, alone: what it reads within the
// time to a first token, what it generates within the time of a token. Costs add, they do not
// multiply: a pair of layouts takes no step of its own. Of all pairs of one setting, with as many
// of each as match (rate_match.h), those that carry the most a GPU become candidates, and of pairs
// with as many of each as the load asks those of the fewest GPUs: a group of engines that is
// measured, bought and lost as one.
#pragma once

#include "tools/study/plan/plan_work.h"

namespace moesim::tools {

// Pairs of a kind of GPU that are looked at, of either sort.
inline constexpr std::size_t kPairsKept = 8;
// What those for the load are to carry, as a part of it: 0.8 is to be sure of it where capacities
// are off by 18 % (e^(0.84 x 0.18) = 1.16), and estimates are above what is measured by 7 %.
inline constexpr double kLoadCarried = 1.25;

// Adds candidates, estimated, with their ceilings, and the stage "pools". Nothing where the plan
// does not ask for pools apart, or is of steps.
void add_pools_apart(PlanWork& work);

}  // namespace moesim::tools
