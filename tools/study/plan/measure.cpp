#include "tools/study/plan/measure.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/error.h"
#include "workloads/memory/dispatch_limit.h"
#include "workloads/memory/step_memory.h"
#include "workloads/report/summary.h"
#include "workloads/serving_capacity.h"
#include "workloads/step/player.h"

namespace moesim::tools {
namespace {

using workloads::Batch;
using workloads::Deployment;

constexpr std::int64_t kLeastRequests = 200, kMostRequests = 6000;
// Of a run that is one of many: the answer's own has more.
constexpr std::int64_t kDraws = 1, kChecks = 4;
constexpr double kPriceError = 0.05, kWithin = 0.02;
constexpr std::int64_t kStepDraws = 4;  // as PlanSetting::scenario says
constexpr std::int64_t kMostSequences = std::int64_t{1} << 14;

Batch batch_of(const StepLoad& load, std::int64_t count) {
  return workloads::on_every_rank({load.decode ? workloads::decoding(count, load.length)
                                               : workloads::prompts(count, load.length)});
}

// Rows of a rank in a mixture layer, were all experts alike.
std::int64_t mean_rows(const Deployment& d, const Batch& batch) {
  const workloads::MoeFfn* moe = d.model.largest_moe();
  if (moe == nullptr) return 0;
  const std::int64_t ranks = d.layout.ep * d.layout.edp();
  return (workloads::tokens_of(batch, d.layout.dp) * moe->top_k + ranks - 1) / ranks;
}

// Steps of one engine by their batch, each played once.
class Steps {
 public:
  Steps(const Deployment& d, const StepLoad& load) : deployment_(d), load_(load) {}

  double seconds(std::int64_t count) {
    const auto [found, is_new] = seconds_.try_emplace(count, 0);
    if (is_new) {
      const Batch batch = batch_of(load_, count);
      workloads::StepPlayer player(deployment_, {.fullest = batch, .routing_steps = kStepDraws});
      for (std::int64_t r = 0; r < kStepDraws; ++r) {
        const auto time =
            player.outcome(batch, r, {.ranks = false, .path = false, .links = false}).time;
        found->second += sim::to_seconds(time) / static_cast<double>(kStepDraws);
      }
    }
    return found->second;
  }

  // The largest with factor x time <= target; 0: none.
  std::int64_t largest(double guess, double most, double factor, double target, double within) {
    const auto top = static_cast<std::int64_t>(std::floor(most));
    const auto meets = [&](std::int64_t count) { return factor * seconds(count) <= target; };
    const auto scaled = [](std::int64_t count, double by) -> std::int64_t {
      return std::llround(static_cast<double>(count) * by);
    };
    std::int64_t good = 0, bad = top + 1;
    auto next = std::clamp<std::int64_t>(std::llround(guess), 1, std::max<std::int64_t>(1, top));
    for (double step = 0.05; good < bad - 1;) {
      (meets(next) ? good : bad) = next;
      const bool open_above = bad == top + 1, open_below = good == 0;
      if (good > 0 && !open_above &&
          static_cast<double>(bad - good) <= within * static_cast<double>(good))
        break;
      if (open_above && !open_below)
        next = std::min(top, std::max(good + 1, scaled(good, 1 + step)));
      else if (open_below && !open_above)
        next = std::max<std::int64_t>(1, std::min(bad - 1, scaled(bad, 1 - step)));
      else
        next = (good + bad) / 2;
      step = std::min(2 * step, 0.5);
    }
    return good;
  }

  bool fits(std::int64_t count) {
    const Batch batch = batch_of(load_, count);
    workloads::StepPlayer player(deployment_, {.fullest = batch, .routing_steps = kStepDraws});
    std::uint64_t rows = 0;
    for (std::int64_t r = 0; r < kStepDraws; ++r) {
      for (const auto& layer :
           player.outcome(batch, r, {.ranks = false, .path = false, .links = false})
               .account.layers) {
        for (const std::uint64_t of_rank : layer.rank_rows) rows = std::max(rows, of_rank);
      }
    }
    return workloads::plan_step_memory(deployment_, batch, static_cast<std::int64_t>(rows)).fits();
  }

  // The cost models' interval and shares of the step at a batch.
  struct Known {
    double low = 1, high = 1;
    std::array<double, workloads::kFactors> share{};
  };
  Known known(std::int64_t count) const {
    const Batch batch = batch_of(load_, count);
    workloads::StepPlayer player(deployment_, {.fullest = batch});
    const workloads::StepOutcome step = player.outcome(batch, 0, {.links = false});
    workloads::Summary summary;
    summary.add(step, 1);
    workloads::Report report;
    summary.write(deployment_, report);
    const workloads::Summary::Ends models = summary.common_ends(report);
    return {.low = models.low,
            .high = models.high,
            .share = validation::shares_of(workloads::factors_of(step.path, step.account))};
  }

 private:
  const Deployment& deployment_;
  const StepLoad& load_;
  std::map<std::int64_t, double> seconds_;
};

// By a run of so many requests, begun at four fifths of what is known.
MeasuredEngine measure_with(const RequestCount& length, const Deployment& deployment,
                            const workloads::serving::ServingQuestion& question, double known) {
  MeasuredEngine measured{.requests = length};
  workloads::serving::ServingQuestion asked = question;
  std::visit([&](auto& requests) { requests.count = measured.requests.count; }, asked.requests);
  asked.warm_up = measured.requests.warm_up;
  // Of a trace its first requests, whose own pace a capacity is of.
  if (auto* trace = std::get_if<workloads::serving::RequestTrace>(&asked.requests)) {
    trace->rate.reset();
    workloads::serving::read_facts(*trace);
  }
  auto& rules = asked.iteration;
  rules.draws = std::min(rules.draws, kDraws);
  rules.checks = std::min(rules.checks, kChecks);
  rules.error = std::max(rules.error, kPriceError);
  workloads::Scenario scenario;
  scenario.name = "an engine";
  scenario.inputs.scenario = "the plan";
  scenario.deployment = deployment;
  scenario.question = std::move(asked);
  try {
    const workloads::ServingCapacity found = workloads::find_capacity(
        scenario, {}, {.start = 0.8 * known, .within = kWithin, .structure = 0});
    measured.capacity = {.p10 = std::min(found.p10, found.p50),
                         .p50 = found.p50,
                         .p90 = std::max(found.p90, found.p50),
                         .share = validation::shares_of(found.at.factors)};
    measured.token_s = found.at.tpot.median / 1e3;
  } catch (const sim::InfeasibleError&) {
    measured.capacity = {};  // no rate attains the targets
  }
  return measured;
}

}  // namespace

RequestCount request_count(const workloads::serving::ServingQuestion& question,
                           const Estimate& estimate, bool counted) {
  const auto* laws = std::get_if<workloads::serving::RequestLaws>(&question.requests);
  if (counted && laws != nullptr)
    return {.count = laws->count.value_or(kLeastRequests), .warm_up = question.warm_up};
  const double at_once =
      estimate.capacity * (estimate.first_s + question.mean_output() * estimate.token_s);
  auto count = std::clamp<std::int64_t>(std::llround(5 * at_once), kLeastRequests, kMostRequests);
  if (laws == nullptr)
    count = std::min(count,
                     std::get<workloads::serving::RequestTrace>(question.requests).facts.requests);
  return {.count = count, .warm_up = count / 5};
}

MeasuredEngine measure_service(const Deployment& deployment,
                               const workloads::serving::ServingQuestion& question,
                               const Estimate& estimate, bool counted) {
  constexpr double kTooFew = 1.5;
  constexpr int kMostRounds = 3;
  Estimate known = estimate;
  for (int round = 1;; ++round) {
    const RequestCount requests = request_count(question, known, counted);
    const MeasuredEngine measured = measure_with(requests, deployment, question, known.capacity);
    if (measured.capacity.p50 <= 0) return measured;
    // One that carries more than was thought holds more at once: a run too short never fills it.
    known.capacity = measured.capacity.p50;
    known.token_s = measured.token_s;
    const auto enough = static_cast<double>(request_count(question, known, counted).count);
    if (round == kMostRounds || enough <= kTooFew * static_cast<double>(requests.count))
      return measured;
  }
}

double most_in_memory(const Deployment& d, const StepLoad& load) {
  std::int64_t good = 0, bad = kMostSequences + 1;
  while (good < bad - 1) {
    const std::int64_t middle = good == 0 && bad > kMostSequences ? 1 : (good + bad) / 2;
    const Batch batch = batch_of(load, middle);
    const bool fits = workloads::fits_dispatch(d, batch) &&
                      workloads::plan_step_memory(d, batch, mean_rows(d, batch)).fits();
    (fits ? good : bad) = middle;
  }
  return static_cast<double>(good);
}

MeasuredEngine measure_steps(const Deployment& d, const StepLoad& load, const Estimate& estimate,
                             double target_s) {
  MeasuredEngine measured;
  Steps steps(d, load);
  double most = most_in_memory(d, load);
  if (most < 1 || estimate.batch < 1) return measured;
  std::int64_t batch = steps.largest(estimate.batch, most, 1, target_s, 0);
  while (batch > 0 && !steps.fits(batch)) batch = std::min(batch - 1, batch * 97 / 100);
  if (batch == 0) return measured;
  most = static_cast<double>(batch);
  const double tokens =
      static_cast<double>(d.layout.dp) * (load.decode ? 1 : static_cast<double>(load.length));
  const auto capacity = [&](std::int64_t count, double factor) {
    return count == 0 ? 0 : static_cast<double>(count) * tokens / (factor * steps.seconds(count));
  };
  const Steps::Known known = steps.known(batch);
  // Where steps are longer fewer sequences meet the target; where they are shorter as many as
  // memory holds, of which only these were asked.
  const std::int64_t fewer =
      steps.largest(static_cast<double>(batch) / known.high, most, known.high, target_s, 0.05);
  const std::int64_t more = steps.largest(static_cast<double>(batch) / known.low,
                                          most_in_memory(d, load), known.low, target_s, 0.05);
  measured.capacity = {.p10 = std::min(capacity(fewer, known.high), capacity(batch, 1)),
                       .p50 = capacity(batch, 1),
                       .p90 = std::max(capacity(more, known.low), capacity(batch, 1)),
                       .share = known.share};
  measured.batch = load.decode ? batch : batch * load.length;
  measured.token_s = steps.seconds(batch);
  return measured;
}

}  // namespace moesim::tools
