#include "tools/study/plan/plan.h"

#include "tools/study/plan/answers.h"
#include "tools/study/plan/apart.h"
#include "tools/study/plan/choose.h"
#include "tools/study/plan/nearest.h"
#include "tools/study/plan/plan_work.h"
#include "tools/study/plan/self_check.h"
#include "tools/study/plan/sieves.h"

namespace moesim::tools {

Plan make_plan(const PlanSpec& spec, const PlanOptions& options) {
  PlanWork work(spec, options);
  enumerate(work);
  sieve_layouts(work);
  sieve_memory(work);
  sieve_floors(work);
  add_pools_apart(work);
  answer_with_trust(work);
  work.plan.pareto = pareto_of(work);
  const auto& answers = work.plan.answers;
  if (answers.empty() || answers.front().roles.front() != "chosen")
    work.plan.nearest = nearest_of(work);
  else
    work.plan.second = second_of(work);
  return std::move(work.plan);
}

}  // namespace moesim::tools
