// What comes nearest where nothing meets the targets within the limits.
#pragma once

#include "tools/study/plan/plan_work.h"

namespace moesim::tools {

// The one that would do with the fewest GPUs beyond the limits, else whose tokens, or prompts, are
// quickest. Where all were refused unseen, those nearest by their floors are measured first.
std::optional<Nearest> nearest_of(PlanWork& work);

}  // namespace moesim::tools
