#include "tools/study/plan/plan.h"

#include "tools/study/plan/answers.h"
#include "tools/study/plan/apart.h"
#include "tools/study/plan/choose.h"
#include "tools/study/plan/nearest.h"
#include "tools/study/plan/plan_work.h"
#include "tools/study/plan/self_check.h"
#include "tools/study/plan/sieves.h"
#include "tools/study/plan/training_nearest.h"
#include "tools/study/plan/training_sieves.h"

namespace moesim::tools {

Plan make_plan(const PlanSpec& spec, const PlanOptions& options) {
  PlanWork work(spec, options);
  if (spec.training) {
    sieve_training(work);
  } else {
    enumerate(work);
    sieve_layouts(work);
    sieve_memory(work);
    sieve_floors(work);
    add_pools_apart(work);
  }
  answer_with_trust(work);
  work.plan.pareto = pareto_of(work);
  const auto& answers = work.plan.answers;
  if (answers.empty() || answers.front().roles.front() != "chosen")
    work.plan.nearest = spec.training ? nearest_run_of(work) : nearest_of(work);
  else
    work.plan.second = second_of(work);
  return std::move(work.plan);
}

}  // namespace moesim::tools
