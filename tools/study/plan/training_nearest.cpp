#include "tools/study/plan/training_nearest.h"

#include <algorithm>

namespace moesim::tools {
namespace {

bool was_played(const Candidate& c) {
  return c.measured && c.measured->capacity.p50 > 0;
}

void look_closer(PlanWork& work) {
  if (std::ranges::any_of(work.plan.candidates, was_played)) return;
  std::vector<std::size_t> close;
  for (std::size_t i = 0; i < work.known.size(); ++i)
    if (work.known[i].ceiling > 0) close.push_back(i);
  std::ranges::stable_sort(close, [&](std::size_t a, std::size_t b) {
    return work.known[a].ceiling > work.known[b].ceiling;
  });
  // Until so many fit: what memory lacks of some is told only by their run.
  std::int64_t left = work.spec.finalists;
  for (std::size_t k = 0; k < close.size() && left > 0; ++k) {
    work.proceed("nearest", k, close.size());
    work.measure(close[k]);
    if (was_played(work.plan.candidates[close[k]])) --left;
  }
}

std::optional<Nearest> least_lacking(const PlanWork& work) {
  std::optional<Nearest> least;
  for (std::size_t i = 0; i < work.known.size(); ++i) {
    const std::int64_t lacks = work.known[i].lacks;
    if (lacks > 0 && (!least || lacks < least->lacks))
      least = Nearest{.candidate = i, .lacks = lacks};
  }
  return least;
}

}  // namespace

std::optional<Nearest> nearest_run_of(PlanWork& work) {
  look_closer(work);
  std::optional<Nearest> nearest;
  for (std::size_t i = 0; i < work.plan.candidates.size(); ++i) {
    const Candidate& c = work.plan.candidates[i];
    if (!was_played(c) || (nearest && c.measured->capacity.p50 <= nearest->carried)) continue;
    nearest = Nearest{.candidate = i, .carried = c.measured->capacity.p50};
  }
  if (!nearest) return least_lacking(work);
  const std::size_t i = nearest->candidate;
  const double sure = validation::capacity_for(1, work.spec.demand.confidence, work.deviation(i));
  nearest->days = work.days(nearest->carried);
  nearest->days_would_do = *nearest->days * sure;
  nearest->would_do =
      offer_with(work.terms(i), 1, nearest->carried, work.deviation(i), work.asked.front());
  return nearest;
}

}  // namespace moesim::tools
