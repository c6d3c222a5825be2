#include "tools/study/plan/choose.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "tools/study/plan/rate_text.h"

namespace moesim::tools {
namespace {

std::string no_capacity(const PlanWork& work, const Estimate& e) {
  const PlanSpec& spec = work.spec;
  if (e.least_token_s > 0) {
    return spec.steps && !spec.steps->decode
               ? fmt::format("one prompt takes {}", seconds_text(e.least_token_s))
               : fmt::format("one sequence's token takes {}", seconds_text(e.least_token_s));
  }
  const auto ttft = target_s(spec, workloads::serving::TimeOf::Ttft);
  if (ttft && e.first_s > *ttft) return fmt::format("one prompt takes {}", seconds_text(e.first_s));
  return "no rate attains the targets";
}

Rejection beyond_the_margin(const PlanWork& work, std::size_t i, const Estimate& e) {
  if (work.known[i].lacking) return *work.known[i].lacking;
  if (e.capacity <= 0) return {"capacity", no_capacity(work, e)};
  return {"margin", work.carries(e.capacity, Sureness::About) + ": worse by more than the margin"};
}

// Of one that was measured and is no answer.
Rejection not_the_best(const PlanWork& work, std::size_t i,
                       const validation::EngineCapacity& capacity) {
  const Candidate& candidate = work.plan.candidates[i];
  if (work.known[i].lacking) return *work.known[i].lacking;
  if (capacity.p50 <= 0) return {"capacity", no_capacity(work, left_by(candidate.estimate))};
  if (auto over = work.over_the_limits(i, capacity.p50, work.deviation(i), Sureness::About))
    return *over;
  if (work.spec.training) {
    const double p =
        validation::probability_of(capacity.p50, work.spec.demand.rate, work.deviation(i));
    if (!candidate.offer)
      return {"probability", fmt::format("measured: {:.1f} days, done in time with probability "
                                         "{:.2f}, of {:.2f}",
                                         work.days(capacity.p50), p, work.spec.demand.confidence)};
    return {"dominated", fmt::format("measured: {:.1f} days", work.days(capacity.p50))};
  }
  const Spare spare = work.spec.demand.spare;
  if (spare != Spare::None && !candidate.offer) {
    Demand alone = work.spec.demand;
    alone.spare = Spare::None;
    if (const auto offer = work.offer(i, alone)) {
      return {"spare",
              fmt::format("measured: {} GPUs would do, but not with a {} lost within the limits",
                          offer->gpus, spare == Spare::Gpu ? "GPU" : "node")};
    }
  }
  if (candidate.offer) {
    return {"dominated", fmt::format("measured: {} GPUs carry {} /s", candidate.offer->gpus,
                                     rate_text(candidate.offer->capacity))};
  }
  return {"probability",
          fmt::format("measured: within the limits no number of engines has {:.2f}{}",
                      work.spec.demand.confidence,
                      work.spec.demand.spare == Spare::None ? "" : " with the spare lost")};
}

// Why one that was searched is no answer.
void explain(PlanWork& work, std::size_t i, const SearchedItem& item) {
  Candidate& candidate = work.plan.candidates[i];
  if (item.capacity) candidate.offer = work.offer(i, work.asked.front());
  if (std::ranges::find(work.best, std::optional(i)) != work.best.end()) return;
  switch (item.fate) {
    case Fate::Dominated:
      candidate.rejected = Rejection{
          "dominated", work.carries(work.known[i].ceiling, Sureness::AtMost) + ": proved worse"};
      return;
    case Fate::Margin:
      candidate.rejected = beyond_the_margin(work, i, *candidate.estimated());
      return;
    case Fate::Measured:
      candidate.rejected = not_the_best(work, i, left_by(item.capacity));
  }
}

}  // namespace

void choose(PlanWork& work) {
  // Engines that are estimated before the best of them is measured.
  constexpr std::size_t kLeastChunk = 64, kChunks = 64;
  std::vector<std::size_t> left;
  std::vector<SearchItem> items;
  work.best.clear();
  for (const std::size_t i : work.left) {
    Candidate& candidate = work.plan.candidates[i];
    candidate.offer.reset();
    candidate.rejected = work.known[i].distrusted;
    if (candidate.rejected) continue;
    left.push_back(i);
    items.push_back(
        {.terms = work.terms(i), .ceiling = work.known[i].ceiling, .group = work.setting(i).gpu()});
  }
  std::size_t estimated = 0, closely = 0, measured = 0;
  std::array<std::optional<double>, 3> walls;
  const SearchResult found = search(
      items, work.asked,
      {.part = [&](std::size_t k) -> std::optional<double> {
         work.proceed("estimated", estimated++, left.size());
         const StageTime time(work, walls[0]);
         const Estimate& part = work.estimate_a_part(left[k]);
         if (part.capacity <= 0 && !work.misses_by_far(part)) return {};
         return part.capacity;
       },
       .estimate =
           [&](std::size_t k) {
             work.proceed("estimated closely", closely++, left.size());
             const StageTime time(work, walls[1]);
             const double capacity = work.estimate(left[k]).capacity;
             return SearchEstimate{.capacity = capacity, .busy_w = work.terms(left[k]).busy_w};
           },
       .measure =
           [&](std::size_t k) {
             work.proceed("measured", measured++, left.size());
             const StageTime time(work, walls[2]);
             return work.measure(left[k]).capacity;
           }},
      {.margin = work.spec.margin,
       .finalists = static_cast<std::size_t>(work.spec.finalists),
       .keep = static_cast<std::size_t>(work.spec.keep),
       .chunk = std::max(kLeastChunk, left.size() / kChunks),
       .structure = work.structure(),
       .exhaustive = work.spec.exhaustive});
  work.plan.margin_used = found.margin_used;
  work.plan.largest_error = found.largest_error;
  work.replace_stage({"estimate", left.size(), found.estimated, walls[0]});
  work.replace_stage({"all_layers", found.estimated, found.on_all_layers, walls[1]});
  work.replace_stage({"measure", found.on_all_layers, found.measured, walls[2]});
  for (const auto& best : found.best)
    work.best.push_back(best ? std::optional(left[*best]) : std::nullopt);
  for (std::size_t k = 0; k < left.size(); ++k) {
    // A layer of each kind tells who is worse, not what it takes.
    Candidate& candidate = work.plan.candidates[left[k]];
    if (work.spec.training && candidate.part && !candidate.estimate)
      candidate.part->capacity = found.items[k].expected;
  }
  for (std::size_t k = 0; k < left.size(); ++k) explain(work, left[k], found.items[k]);
}

namespace {

std::vector<ParetoPoint> pareto_as_estimated(const PlanWork& work) {
  struct Point {
    std::size_t candidate;
    double a_user, a_gpu;
  };
  std::vector<Point> points;
  const double tokens = work.tokens_of_request();
  for (std::size_t i = 0; i < work.plan.candidates.size(); ++i) {
    const Candidate& c = work.plan.candidates[i];
    const Estimate* e = c.estimated();
    if (e == nullptr || e->capacity <= 0 || e->token_s <= 0) continue;
    points.push_back({i, 1 / e->token_s, e->capacity * tokens / static_cast<double>(c.gpus())});
  }
  std::ranges::stable_sort(points, [](const Point& a, const Point& b) {
    return std::pair(-a.a_gpu, -a.a_user) < std::pair(-b.a_gpu, -b.a_user);
  });
  std::vector<ParetoPoint> pareto;
  double fastest = 0;
  for (const Point& point : points) {
    if (point.a_user <= fastest) continue;
    fastest = point.a_user;
    pareto.push_back({.candidate = point.candidate,
                      .tokens_per_s_per_gpu = point.a_gpu,
                      .tokens_per_s_per_user = point.a_user});
  }
  return pareto;
}

}  // namespace

std::vector<ParetoPoint> pareto_of(PlanWork& work) {
  for (;;) {
    std::vector<ParetoPoint> pareto = pareto_as_estimated(work);
    const auto rough = std::ranges::find_if(pareto, [&](const ParetoPoint& point) {
      return !work.plan.candidates[point.candidate].estimate;
    });
    if (rough != pareto.end()) {
      work.estimate(rough->candidate);
      continue;
    }
    for (ParetoPoint& point : pareto) point.id = work.engine_id(point.candidate);
    return pareto;
  }
}

}  // namespace moesim::tools
