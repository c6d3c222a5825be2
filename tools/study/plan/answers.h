// The answers of a plan: the best engine of each question, as many as it takes, run as `moesim run`
// would.
#pragma once

#include "tools/study/plan/plan_work.h"

namespace moesim::tools {

// One for each question that has a best engine; questions with one answer share it. All anew where
// it was asked before.
void answer_questions(PlanWork& work);

// The best beside the chosen one, and how sure it is that the chosen one is better. REQUIRES: there
// is a chosen one
std::optional<PlanTie> second_of(const PlanWork& work);

}  // namespace moesim::tools
