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

constexpr const char* kSelfCheck = "self_check";

std::optional<Rejection> refused_by_its_run(const PlanWork& work, const PlanAnswer& answer) {
  const double most_w = work.spec.demand.limits.power;
  if (answer.power && answer.power->total_w > most_w) {
    return Rejection{"limit_power",
                     fmt::format("{} GPUs draw {:.2f} kW as they run, of {:.2f}", answer.offer.gpus,
                                 answer.power->total_w / 1e3, most_w / 1e3)};
  }
  if (!answer.run.serving) return {};
  const double error = answer.run.serving->report.iteration_error.mean_percent;
  if (error <= work.options.most_error_percent) return {};
  return Rejection{kSelfCheck,
                   fmt::format("its iterations, played again, differ from their prices by {:.1f} % "
                               "on average, of {:g}",
                               error, work.options.most_error_percent)};
}

// Whether an answer was refused.
bool refuse(PlanWork& work) {
  bool any = false;
  for (const PlanAnswer& answer : work.plan.answers) {
    auto refused = refused_by_its_run(work, answer);
    if (!refused) continue;
    work.known[answer.candidate].distrusted = std::move(refused);
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
  // A limit is one, whatever else there is.
  bool any = false;
  for (KnownEngine& engine : work.known) {
    if (!engine.distrusted || engine.distrusted->code != kSelfCheck) continue;
    engine.distrusted.reset();
    any = true;
  }
  if (any) choose_and_answer(work);
}

}  // namespace moesim::tools
