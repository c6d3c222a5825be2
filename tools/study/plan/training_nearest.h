// The run of training that comes nearest where none is done in time within the limits.
#pragma once

#include "tools/study/plan/plan_work.h"

namespace moesim::tools {

// The one that takes the fewest days of those that were played; where all were refused unseen, of
// those whose floors are the least, which are played now. Where nothing fits, what lacks least.
// Nothing where not even a batch divides.
std::optional<Nearest> nearest_run_of(PlanWork& work);

}  // namespace moesim::tools
