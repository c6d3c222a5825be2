// What comes nearest where nothing meets the targets within the limits.
#pragma once

#include "tools/study/plan/plan_work.h"

namespace moesim::tools {

// Within the limits the one that would do with the fewest GPUs beyond them, else whose tokens, or
// prompts, are quickest; where all were refused unseen, those nearest by their floors are measured
// first. Beside it what would do: engines of all sizes that the clusters have room for, searched
// with the limits twice as wide each time; and what within the limits (otherwise.h).
std::optional<Nearest> nearest_of(PlanWork& work);

}  // namespace moesim::tools
