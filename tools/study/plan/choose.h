// The search among the engines that the sieves let pass (search.h), and why each that is no answer
// is none.
#pragma once

#include "tools/study/plan/plan_work.h"

namespace moesim::tools {

// Fills `work.best`, estimates, measured capacities, what is refused, and the stages; all anew
// where it was asked before. Those that were distrusted are refused as they are.
void choose(PlanWork& work);

// Those that were estimated, and that none beats in both tokens a GPU and tokens a user: the most a
// GPU first.
std::vector<ParetoPoint> pareto_of(PlanWork& work);

}  // namespace moesim::tools
