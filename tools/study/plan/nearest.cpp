#include "tools/study/plan/nearest.h"

#include <algorithm>
#include <cmath>

#include "tools/study/plan/otherwise.h"

namespace moesim::tools {
namespace {

// Where all were refused unseen, those that come nearest by their floors are looked at.
void look_closer(PlanWork& work) {
  const auto seen = [](const Candidate& c) { return c.measured.has_value(); };
  if (std::ranges::any_of(work.plan.candidates, seen)) return;
  struct Close {
    std::size_t candidate;
    bool misses;
    double by;  // GPUs that would do by the ceiling; where a target is missed, by how much
  };
  std::vector<Close> close;
  for (std::size_t i = 0; i < work.plan.candidates.size(); ++i) {
    const KnownEngine& known = work.known[i];
    if (known.late > 1) {
      close.push_back({i, true, known.late});
    } else if (known.ceiling > 0) {
      const auto offer =
          offer_without_limits(work.terms(i), known.ceiling, work.structure(), work.asked.front());
      if (offer) close.push_back({i, false, static_cast<double>(offer->gpus)});
    }
  }
  std::ranges::stable_sort(close, [](const Close& a, const Close& b) {
    return std::pair(a.misses, a.by) < std::pair(b.misses, b.by);
  });
  if (close.size() > static_cast<std::size_t>(work.spec.finalists))
    close.resize(static_cast<std::size_t>(work.spec.finalists));
  for (const Close& one : close) {
    work.proceed("nearest", 0, close.size());
    if (work.estimate(one.candidate).capacity > 0) work.measure(one.candidate);
  }
}

// Nothing where it was not looked at, or is late for no reason that an estimate tells.
std::optional<Nearest> distance_of(const PlanWork& work, std::size_t i) {
  const Candidate& c = work.plan.candidates[i];
  const Estimate* estimate = c.estimated();
  if (estimate == nullptr) return {};
  Nearest one{.candidate = i};
  const EngineTerms t = work.terms(i);
  if (c.measured && c.measured->capacity.p50 > 0) {
    const double capacity = c.measured->capacity.p50;
    one.would_do = offer_without_limits(t, capacity, work.deviation(i), work.asked.front());
    if (one.would_do) one.would_do_by = c;
    one.engines = engines_at_work_within(t, work.spec.demand.limits);
    one.carried = capacity * static_cast<double>(one.engines);
  } else if (estimate->least_token_s > 0) {
    one.least_token_s = estimate->least_token_s;
  } else if (estimate->capacity == 0 && estimate->first_s > 0) {
    one.least_first_s = estimate->first_s;
  } else if (!c.measured) {
    return {};
  }
  return one;
}

bool nearer(const Nearest& a, const Nearest& b) {
  if (a.would_do.has_value() != b.would_do.has_value()) return a.would_do.has_value();
  if (a.would_do) return a.would_do->gpus < b.would_do->gpus;
  const auto least = [](const Nearest& n) {
    return n.least_token_s.value_or(n.least_first_s.value_or(INFINITY));
  };
  return least(a) < least(b);
}

std::optional<Nearest> nearest_within(PlanWork& work) {
  look_closer(work);
  for (;;) {
    std::optional<Nearest> best;
    for (std::size_t i = 0; i < work.plan.candidates.size(); ++i) {
      const auto one = distance_of(work, i);
      if (one && (!best || nearer(*one, *best))) best = one;
    }
    if (!best || work.plan.candidates[best->candidate].estimate) return best;
    work.estimate(best->candidate);  // a part of its layers told
  }
}

// Where none was looked at, the largest: what the others lack is more still.
std::optional<Nearest> largest_refused(const PlanWork& work) {
  std::optional<Nearest> largest;
  for (std::size_t i = 0; i < work.plan.candidates.size(); ++i) {
    const Candidate& c = work.plan.candidates[i];
    if (!c.rejected || (largest && c.gpus() <= work.plan.candidates[largest->candidate].gpus()))
      continue;
    largest = Nearest{.candidate = i, .refused = c.rejected->detail};
  }
  return largest;
}

// GPUs of the largest cluster.
std::int64_t room_of(const PlanWork& work) {
  std::int64_t most = 0;
  for (const PlanSetting& setting : work.settings)
    most = std::max(most, static_cast<std::int64_t>(setting.base().cluster.ranks()));
  return most;
}

// What would do on GPUs beyond the limits, whatever they cost and draw; the fewest.
void look_beyond(const PlanWork& work, Nearest& nearest) {
  PlanSpec wide = work.spec;
  Limits& limits = wide.demand.limits;
  const bool of_gpus_alone = std::isinf(limits.cost) && std::isinf(limits.power);
  std::int64_t gpus = of_gpus_alone ? 2 * limits.gpus : limits.gpus;
  limits = {};
  wide.demand.objective = Objective::Gpus;
  // More than do by what is known is never asked.
  const std::int64_t room = room_of(work);
  if (of_gpus_alone && room <= work.spec.demand.limits.gpus) return;  // all was looked at
  const std::int64_t most = nearest.would_do ? std::min(room, nearest.would_do->gpus) : room;
  for (;; gpus *= 2) {
    limits.gpus = std::min(gpus, most);
    PlanWork beyond(wide, work.options);
    if (const auto found = best_of(beyond)) {
      nearest.would_do = found->offer;
      nearest.would_do_by = found->engine;
      return;
    }
    if (limits.gpus >= most) {
      // The clusters have no room: more of them, of what comes nearest on all that they have.
      const auto near = nearest_within(beyond);
      const bool fewer = near && near->would_do &&
                         (!nearest.would_do || near->would_do->gpus < nearest.would_do->gpus);
      if (fewer) nearest.would_do = near->would_do, nearest.would_do_by = near->would_do_by;
      return;
    }
  }
}

}  // namespace

std::optional<Nearest> nearest_of(PlanWork& work) {
  std::optional<Nearest> nearest = nearest_within(work);
  if (!nearest) nearest = largest_refused(work);
  if (!nearest) return {};
  look_beyond(work, *nearest);
  look_otherwise(work, *nearest);
  return nearest;
}

}  // namespace moesim::tools
