#include "tools/study/plan/self_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/study/plan/answers.h"
#include "tools/study/plan/choose.h"
#include "workloads/serving/service.h"

namespace moesim::tools {
namespace {

void choose_and_answer(PlanWork& work) {
  choose(work);
  answer_questions(work);
}

bool has_chosen(const PlanWork& work) {
  const auto& answers = work.plan.answers;
  return !answers.empty() && answers.front().roles.front() == "chosen";
}

// Whether an answer was refused.
bool refuse(PlanWork& work) {
  bool any = false;
  for (const PlanAnswer& answer : work.plan.answers) {
    if (!answer.run.serving) continue;
    const double error = answer.run.serving->report.iteration_error.mean_percent;
    if (error <= work.options.most_error_percent) continue;
    work.known[answer.candidate].distrusted = Rejection{
        "self_check",
        fmt::format("its iterations, played again, differ from their prices by {:.1f} % on "
                    "average, of {:g}",
                    error, work.options.most_error_percent)};
    any = true;
  }
  return any;
}

}  // namespace

void answer_with_trust(PlanWork& work) {
  choose_and_answer(work);
  const bool had = has_chosen(work);
  while (refuse(work)) choose_and_answer(work);
  if (!had || has_chosen(work)) return;
  for (KnownEngine& engine : work.known) engine.distrusted.reset();
  choose_and_answer(work);
}

}  // namespace moesim::tools
