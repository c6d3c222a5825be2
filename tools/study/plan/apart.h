// Engines that read prompts and engines that generate, apart: pools, rate-matched.
//
// Each layout that the memory's sieve lets pass is estimated twice, alone: what it reads within the
// time to a first token, what it generates within the time of a token. Costs add, they do not
// multiply: a pair of layouts takes no step of its own. Of all pairs of one setting, with as many
// of each as match (rate_match.h), those that carry the most a GPU become candidates: a group of
// engines that is measured, bought and lost as one.
#pragma once

#include "tools/study/plan/plan_work.h"

namespace moesim::tools {

// Pairs of a kind of GPU that are looked at.
inline constexpr std::size_t kPairsKept = 8;

// Adds candidates, estimated, with their ceilings, and the stage "pools". Nothing where the plan
// does not ask for pools apart, or is of steps.
void add_pools_apart(PlanWork& work);

}  // namespace moesim::tools
