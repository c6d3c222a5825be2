#include "tools/study/plan/plan_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/error.h"
#include "sim/units_text.h"
#include "tools/study/plan/rate_text.h"
#include "tools/study/point_id.h"

namespace moesim::tools {
namespace {

// All choices of what varies, the first key the slowest.
std::vector<std::vector<std::pair<std::string, std::string>>> varied_of(const PlanSpec& spec) {
  std::vector<std::vector<std::pair<std::string, std::string>>> all(1);
  for (const Axis& axis : spec.vary) {
    std::vector<std::vector<std::pair<std::string, std::string>>> more;
    for (const auto& before : all) {
      for (const std::string& value : axis.values) {
        more.push_back(before);
        more.back().emplace_back(axis.key, value);
      }
    }
    all = std::move(more);
  }
  return all;
}

void ask(PlanWork& work, const char* role, const Demand& demand) {
  work.asked.push_back(demand);
  work.roles.emplace_back(role);
}

void ask_all(PlanWork& work) {
  const PlanSpec& spec = work.spec;
  ask(work, "chosen", spec.demand);
  Demand fewest = spec.demand;
  fewest.objective = Objective::Gpus;
  fewest.confidence = 0.5;
  fewest.spare = Spare::None;
  ask(work, "fewest", fewest);
  const bool priced =
      std::ranges::none_of(spec.gpus, [](const GpuChoice& g) { return g.price == 0; });
  const auto ask_by = [&](const char* role, Objective objective) {
    if (spec.demand.objective == objective) return;
    Demand demand = spec.demand;
    demand.objective = objective;
    ask(work, role, demand);
  };
  if (priced) ask_by("cheapest", Objective::Cost);
  if (spec.training) return;
  const bool powered = std::ranges::all_of(
      work.settings, [](const PlanSetting& s) { return s.power().has_value(); });
  if (powered) ask_by("least_power", Objective::Power);
  ask_by("most_throughput", Objective::Throughput);
  if (spec.demand.spare == Spare::Node) return;
  Demand robust = spec.demand;
  robust.spare = Spare::Node;
  ask(work, "most_robust", robust);
}

}  // namespace

std::string seconds_text(double seconds) {
  return sim::to_text(sim::picoseconds_rounded_up(seconds * 1e12));
}

std::optional<double> target_s(const PlanSpec& spec, workloads::serving::TimeOf of) {
  const auto time = workloads::serving::tightest(spec.targets, of);
  if (!time) return {};
  return sim::to_seconds(*time);
}

PlanWork::PlanWork(const PlanSpec& asked_spec, const PlanOptions& asked_options)
    : spec(asked_spec), options(asked_options) {
  for (std::size_t gpu = 0; gpu < spec.gpus.size(); ++gpu) {
    for (const auto& varied : varied_of(spec))
      settings.emplace_back(spec, gpu, varied, options.shipped, options.traces);
  }
  ask_all(*this);
  const bool by_power =
      spec.demand.objective == Objective::Power || std::isfinite(spec.demand.limits.power);
  for (const PlanSetting& setting : settings) {
    if (!by_power || setting.power()) continue;
    throw sim::ConfigError(fmt::format(
        "a plan by power: nothing is known of what {} draws: give power: {{limit: 700 W, "
        "source: …}} in its device file",
        setting.device()));
  }
}

const PlanSetting& PlanWork::setting(std::size_t i) const {
  return settings[plan.candidates[i].choice.setting];
}

workloads::Deployment PlanWork::deployment(std::size_t i) const {
  return setting(i).deployment(plan.candidates[i].choice);
}

const workloads::Deployment& PlanWork::laid_out(std::size_t i) const {
  return setting(i).laid_out(plan.candidates[i].choice);
}

EngineTerms PlanWork::terms(std::size_t i) const {
  const Candidate& c = plan.candidates[i];
  std::optional<hardware::PowerUse> use;
  if (c.estimate && c.estimate->use.busy > 0) use = c.estimate->use;
  return setting(i).terms(c.gpus(), use);
}

const Estimate& PlanWork::estimate_a_part(std::size_t i) {
  Candidate& c = plan.candidates[i];
  if (c.estimate) return *c.estimate;
  if (spec.training) {
    if (c.part) return *c.part;
    const PlanSetting& of = setting(i);
    c.part = Estimate{.capacity = training_parts.tokens_per_s(
                          c.choice.setting, of.laid_out(c.choice), of.training_question(c.choice))};
    return *c.part;
  }
  const workloads::Deployment d = deployment(i);
  const std::int64_t draft = spec.steps ? 0 : left_by(known[i].question).pool.scheduler.draft;
  if (!with_a_part(d, draft)) return estimate(i);
  if (!c.part) c.part = estimate_of(i, d, Layers::Part);
  return *c.part;
}

bool PlanWork::misses_by_far(const Estimate& e) const {
  constexpr double kFar = 1.5;
  using workloads::serving::TimeOf;
  const auto misses = [&](double seconds, TimeOf of) {
    const auto target = target_s(spec, of);
    return target && seconds > kFar * *target;
  };
  const bool prompts = spec.steps && !spec.steps->decode;
  return misses(e.first_s, TimeOf::Ttft) ||
         misses(e.least_token_s, prompts ? TimeOf::Ttft : TimeOf::Tpot);
}

const Estimate& PlanWork::estimate(std::size_t i) {
  std::optional<Estimate>& found = plan.candidates[i].estimate;
  if (found) return *found;
  if (spec.training) {
    const EngineChoice& choice = plan.candidates[i].choice;
    const TrainingRate rate = training.of(choice.setting, setting(i).training(choice));
    found = Estimate{.capacity = rate.capacity.p50, .use = rate.use};
    if (rate.lacking) known[i].lacking = Rejection{"memory", *rate.lacking};
  } else {
    found = estimate_of(i, deployment(i), Layers::All);
  }
  return *found;
}

Estimate PlanWork::estimate_of(std::size_t i, const workloads::Deployment& d, Layers layers) const {
  if (spec.steps) return estimate_steps(d, *spec.steps, known[i].most, target(), layers);
  return estimate_service(d, left_by(known[i].question), left_by(known[i].cache), layers);
}

const MeasuredEngine& PlanWork::measure(std::size_t i) {
  std::optional<MeasuredEngine>& found = plan.candidates[i].measured;
  if (found) return *found;
  if (spec.training) {
    const TrainingRate rate = rate_of(setting(i).training(plan.candidates[i].choice));
    found.emplace();
    known[i].lacking.reset();
    if (rate.lacking)
      known[i].lacking = Rejection{"memory", *rate.lacking};
    else
      found->capacity = rate.capacity;
    return *found;
  }
  const workloads::Deployment d = deployment(i);
  found = spec.steps ? measure_steps(d, *spec.steps, estimate(i), target())
                     : measure_service(d, *known[i].question, estimate(i), spec.counts_requests);
  return *found;
}

std::optional<Offer> PlanWork::offer(std::size_t i, const Demand& demand) const {
  return offer_of(terms(i), plan.candidates[i].measured->capacity.p50, deviation(i), demand);
}

double PlanWork::deviation(std::size_t i) const {
  return validation::deviation_of(plan.candidates[i].measured->capacity, structure());
}

double PlanWork::target() const {
  return sim::to_seconds(spec.steps->decode ? *spec.targets.tpot : *spec.targets.ttft);
}

double PlanWork::tokens_of_request() const {
  if (spec.steps) return 1;
  for (const KnownEngine& engine : known)
    if (engine.question) return std::max(1.0, engine.question->mean_output());
  return 1;
}

double PlanWork::days(double capacity) const {
  return spec.training->tokens / capacity / 86400;
}

std::string PlanWork::carries(double capacity, Sureness how) const {
  const bool proved = how == Sureness::AtMost;
  if (spec.training)
    return fmt::format("takes {} {:.4g} days", proved ? "at least" : "about", days(capacity));
  return fmt::format("an engine carries {} {} /s", proved ? "at most" : "about",
                     rate_text(capacity));
}

std::optional<Rejection> PlanWork::over_the_limits(std::size_t i, double capacity, double deviation,
                                                   Sureness how) const {
  for (const Demand& demand : asked) {
    if (offer_of(terms(i), capacity, deviation, demand)) return {};
  }
  if (spec.training && capacity < spec.demand.rate) {
    return Rejection{how == Sureness::AtMost ? "floor_days" : "days",
                     fmt::format("{}, of {:g}", carries(capacity, how), spec.training->days)};
  }
  const auto needed = offer_without_limits(terms(i), capacity, deviation, asked[1]);
  if (!needed) return Rejection{"capacity", "carries nothing within the targets"};
  const auto most = std::min(spec.demand.limits.gpus, terms(i).most);
  const auto wanted = offer_without_limits(terms(i), capacity, deviation, asked[0]);
  const std::string told = carries(capacity, how);
  if (!spec.training && wanted && wanted->gpus > most) {
    return Rejection{"limit_gpus",
                     fmt::format("{}: {} GPUs would do, of {}", told, wanted->gpus, most)};
  }
  // A run is on the GPUs that it is laid out for, however sure that is.
  const Offer least = spec.training ? offer_with(terms(i), 1, capacity, deviation, asked[0])
                      : wanted      ? *wanted
                                    : *needed;
  if (least.cost > spec.demand.limits.cost) {
    return Rejection{"limit_cost", fmt::format("{}: {:.2f} {}/h would do, of {:.2f}", told,
                                               least.cost, spec.currency, spec.demand.limits.cost)};
  }
  return Rejection{"limit_power", fmt::format("{}: {:.1f} kW would do, of {:.1f}", told,
                                              least.power / 1e3, spec.demand.limits.power / 1e3)};
}

std::string PlanWork::engine_id(std::size_t i) const {
  const Candidate& c = plan.candidates[i];
  if (spec.training) return point_id(setting(i).training(c.choice), options.version);
  workloads::Scenario scenario;
  scenario.deployment = deployment(i);
  scenario.inputs = setting(i).inputs();
  if (spec.steps) {
    // Whatever its batch is: one sequence, or one prompt.
    const StepLoad& steps = *spec.steps;
    scenario.question = steps.decode ? workloads::decode_question(1, steps.length)
                                     : workloads::prefill_question(steps.length, steps.length);
  } else {
    scenario.question = left_by(known[i].question);
  }
  return point_id(scenario, options.version);
}

void PlanWork::replace_stage(PlanStage stage) {
  const auto before = std::ranges::find(plan.stages, stage.name, &PlanStage::name);
  if (before != plan.stages.end()) {
    if (before->wall_s) stage.wall_s = stage.wall_s.value_or(0) + *before->wall_s;
    plan.stages.erase(before);
  }
  plan.stages.push_back(std::move(stage));
}

std::optional<double> PlanWork::now() const {
  if (!options.clock) return {};
  return options.clock();
}

void PlanWork::proceed(const std::string& what, std::size_t done, std::size_t all) const {
  if (options.stop && options.stop())
    throw sim::Error(sim::ExitCode::Interrupted, "moesim plan: interrupted");
  if (options.progress) options.progress(what, done, all);
}

}  // namespace moesim::tools
