// What else would do within a plan's limits where nothing meets its targets: a longer time of a
// token (of steps that read prompts: to the first token), a cache of keys in fp8.
#pragma once

#include <optional>

#include "tools/study/plan/plan_work.h"

namespace moesim::tools {

struct BestEngine {
  Candidate engine = {};
  Offer offer = {};
};

// The best answer to the first question of a work that was not begun: searched, and not run.
std::optional<BestEngine> best_of(PlanWork& work);

// Adds to `nearest.otherwise` what was found to do: of the nearest engine, with the least of 1.25,
// 1.5, 2, 3, 5 times the time of a token, measured; of all engines with the cache in fp8, searched.
// REQUIRES: a load
void look_otherwise(const PlanWork& work, Nearest& nearest);

}  // namespace moesim::tools
