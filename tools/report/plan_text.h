// A plan as a planner reads it: the answer first, then how sure it is, what it costs, what a lost
// node does, and why not fewer.
#pragma once

#include <string>

#include "tools/study/plan/plan.h"

namespace moesim::tools {

std::string plan_text(const Plan& plan, const PlanSpec& spec);

}  // namespace moesim::tools
