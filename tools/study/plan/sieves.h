// The stages before the search: what is thought of, and what of it is refused without a step being
// played. Each fills `work.plan.stages`.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "tools/study/plan/plan_work.h"

namespace moesim::tools {

// `check`: of the candidate i, why it is refused; nothing where it passes.
void sieve(PlanWork& work, const std::string& name,
           const std::function<std::optional<Rejection>(std::size_t i)>& check);

// Every layout, of every size, of every setting: `work.plan.candidates`.
void enumerate(PlanWork& work);
// What no engine can be, or this one does not start.
void sieve_layouts(PlanWork& work);
// What does not fit, or leaves no room for the longest request; fills what is known of a service.
void sieve_memory(PlanWork& work);
// What is proved to miss a target, or to take more than the limits; fills the ceilings, and which
// candidates are left.
void sieve_floors(PlanWork& work);

// Requests a second that an engine of the candidate's layout carries at most where it reads prompts
// alone, or generates alone. REQUIRES: the memory's sieve let it pass, the plan is of requests
double ceiling_of_pool(const PlanWork& work, std::size_t i, bool reads);

}  // namespace moesim::tools
