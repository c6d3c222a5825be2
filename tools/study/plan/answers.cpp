#include "tools/study/plan/answers.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "tools/study/plan/lost_capacity.h"
#include "tools/study/point_id.h"
#include "workloads/report/energy.h"
#include "workloads/run_serving.h"
#include "workloads/scenario.h"
#include "workloads/serving/service.h"

namespace moesim::tools {
namespace {

constexpr int kMostTries = 8;  // engines more, where a run misses the targets that it was to meet

Offer with_one_more(const PlanWork& work, std::size_t i, const Offer& offer, const Demand& demand) {
  const validation::EngineCapacity& c = left_by(work.plan.candidates[i].measured).capacity;
  return offer_with(work.terms(i), offer.engines + 1, c.p50, work.deviation(i), demand);
}

// An engine that was run, by candidate: further runs of it, of more engines or fewer, go on with
// its prices.
struct RunEngine {
  workloads::Scenario scenario;  // the service's, which it outlives
  workloads::serving::Service service;
  explicit RunEngine(workloads::Scenario first)
      : scenario(std::move(first)), service(scenario.deployment, *scenario.serving()) {}
};
using RunEngines = std::map<std::size_t, RunEngine>;

// Runs the answer's scenario.
void run_it(const PlanWork& work, RunEngines& engines, PlanAnswer& answer) {
  auto document = sim::io::YamlDocument::parse(answer.scenario, "the plan's scenario");
  workloads::Scenario scenario = workloads::read_scenario(document.root(), work.options.shipped);
  scenario.inputs.scenario.clear();
  scenario.deployment.routing.cache = work.options.traces;
  answer.id = point_id(scenario, work.options.version);
  const workloads::RunOptions options{.stop = work.options.stop};
  if (!scenario.serving()) {
    answer.run = workloads::run(scenario, options);
    return;
  }
  const RunEngine& engine = engines.try_emplace(answer.candidate, scenario).first->second;
  workloads::serving::Service service(*scenario.serving(), engine.service);
  answer.run = workloads::run_serving(scenario, service, options);
}

// Tokens or requests a second: the load; of a run all that it does.
double rate_of(const PlanWork& work, const PlanAnswer& answer) {
  return work.spec.training ? answer.offer.capacity : work.spec.demand.rate;
}

RunCost run_cost_of(const PlanWork& work, const PlanAnswer& answer) {
  RunCost run{.days = work.days(answer.offer.capacity),
              .days_p10 = work.days(answer.capacity_p90),
              .days_p90 = work.days(answer.capacity_p10)};
  run.plan = *work.setting(answer.candidate).training_question().run;
  run.gpu_hours = run.days * 24 * static_cast<double>(answer.offer.gpus);
  run.cost = run.days * 24 * answer.offer.cost;
  if (answer.power) run.energy_kwh = run.days * 24 * answer.power->total_w / 1e3;
  return run;
}

void write_cost(const PlanWork& work, PlanAnswer& answer) {
  const double hour = rate_of(work, answer) * 3600;
  double output = hour, total = hour;
  if (!work.spec.steps && !work.spec.training) {
    const auto& q = left_by(work.known[answer.candidate].question);
    output *= q.mean_output();
    total *= q.mean_output() + q.mean_input();
  }
  answer.cost_per_million_output = answer.offer.cost / output * 1e6;
  answer.cost_per_million_total = answer.offer.cost / total * 1e6;
  const EngineChoice& choice = work.plan.candidates[answer.candidate].choice;
  if (!choice.prefill) return;
  const double reads =
      static_cast<double>(choice.prefill->engines * choice.prefill->layout.gpus()) /
      static_cast<double>(choice.gpus());
  answer.cost_per_million_read = reads * answer.offer.cost / (total - output) * 1e6;
  answer.cost_per_million_generated = (1 - reads) * answer.offer.cost / output * 1e6;
}

// Of the run: steps that it was sampled by, or that it is, and the part of the time that they take.
std::optional<PlanPower> power_of_run(const PlanWork& work, const PlanAnswer& answer) {
  const PlanSetting& setting = work.setting(answer.candidate);
  const workloads::Report& report = answer.run.report;
  if (!setting.power() || report.step_time_us.mean <= 0) return {};
  const Candidate& c = work.plan.candidates[answer.candidate];
  workloads::Report engine = report;
  engine.gpus = c.gpus();
  // Of pools the run tells of the one that generates alone.
  const bool apart = c.choice.prefill.has_value();
  const hardware::PowerUse use = apart
                                     ? left_by(c.estimate).use
                                     : workloads::use_of(engine, work.deployment(answer.candidate));
  const double rate = rate_of(work, answer);
  const double works =
      std::min(1.0, answer.run.serving && !apart ? answer.run.serving->report.busy_share
                                                 : rate / answer.offer.capacity);
  const hardware::CardPower& card = left_by(setting.power());
  PlanPower power{.error = card.error,
                  .origin = card.stand_ins.empty() ? "fitted" : "assumed",
                  .stand_ins = card.stand_ins};
  power.gpu_w = card.idle_w + works * (hardware::power_of(card, use) - card.idle_w);
  const auto gpus = static_cast<double>(answer.offer.gpus);
  power.total_w = gpus * setting.watts(power.gpu_w);
  const double tokens = rate * work.tokens_of_request();
  power.per_token_j = power.total_w / tokens;
  power.gpu_per_token_j = gpus * power.gpu_w / tokens;
  if (apart) power.stand_ins.emplace_back("use of the cards: of the estimate, not of the run");
  if (work.spec.steps && works < 1) {
    power.stand_ins.emplace_back(
        "cards wait between full batches; smaller ones at once would draw more");
  }
  if (!work.spec.gpus[setting.gpu()].host_w)
    power.stand_ins.emplace_back("hosts and network draw nothing (gpus: host: 350 W)");
  return power;
}

// Runs `wanted` of the engine; where that misses the targets one more, as far as the limits go.
Offer run_enough(const PlanWork& work, RunEngines& engines, std::size_t i, Offer wanted,
                 const Demand& demand, PlanAnswer& answer) {
  const PlanSpec& spec = work.spec;
  const EngineChoice& choice = work.plan.candidates[i].choice;
  const MeasuredEngine& engine = left_by(work.plan.candidates[i].measured);
  for (int tries = 0;; ++tries) {
    answer.scenario = spec.training ? work.setting(i).scenario(choice)
                      : spec.steps
                          ? work.setting(i).scenario(choice, engine.batch)
                          : work.setting(i).scenario(choice, wanted.engines, engine.requests);
    run_it(work, engines, answer);
    if (!answer.run.serving) return wanted;
    const auto& report = answer.run.serving->report;
    if (workloads::serving::meets(report, spec.targets) || tries == kMostTries) return wanted;
    // Engines are not loaded alike: one more takes the rest.
    const Offer more = with_one_more(work, i, wanted, demand);
    if (more.gpus > std::min(spec.demand.limits.gpus, work.terms(i).most) ||
        more.cost > spec.demand.limits.cost || more.power > spec.demand.limits.power)
      return wanted;
    wanted = more;
  }
}

// Measured as the engine itself was.
LostCapacity lost_of(const PlanWork& work, std::size_t i) {
  const Candidate& c = work.plan.candidates[i];
  if (c.choice.prefill) return {};  // a group with any of its GPUs
  return lost_capacity(work.deployment(i), [&](const workloads::Deployment& left) {
    if (work.spec.steps)
      return measure_steps(left, *work.spec.steps, left_by(c.estimate), work.target()).capacity.p50;
    workloads::serving::ServingQuestion question = left_by(work.known[i].question);
    question.pool.layout = left.layout;
    return measure_service(left, question, left_by(c.estimate), work.spec.counts_requests)
        .capacity.p50;
  });
}

PlanAnswer answer_of(const PlanWork& work, RunEngines& run, std::size_t i, const Offer& wanted,
                     std::size_t question) {
  const Demand& demand = work.asked[question];
  const double capacity = left_by(work.plan.candidates[i].measured).capacity.p50;
  PlanAnswer answer{
      .roles = {work.roles[question]}, .candidate = i, .confidence = demand.confidence};
  answer.engine_id = work.engine_id(i);
  answer.deviation = work.deviation(i);
  answer.offer = run_enough(work, run, i, wanted, demand, answer);
  const auto engines = static_cast<double>(answer.offer.engines);
  const double decile = std::exp(validation::normal_quantile(0.9) * answer.deviation);
  answer.capacity_p10 = engines * capacity / decile;
  answer.capacity_p90 = engines * capacity * decile;
  const EngineTerms terms = work.terms(i);
  answer.nodes = (answer.offer.gpus + terms.gpus_per_node - 1) / terms.gpus_per_node;
  const std::int64_t left = answer.offer.engines - engines_lost(terms, Spare::Node);
  answer.without_spare = static_cast<double>(std::max<std::int64_t>(0, left)) * capacity;
  answer.without_gpu =
      static_cast<double>(answer.offer.engines - engines_lost(terms, Spare::Gpu)) * capacity;
  if (answer.offer.cost > 0) write_cost(work, answer);
  answer.power = power_of_run(work, answer);
  answer.reliability = work.setting(i).reliability();
  if (work.spec.training) {
    answer.run_cost = run_cost_of(work, answer);
    return answer;
  }
  answer.availability =
      availability_of(answer.offer.engines, terms.gpus, capacity, demand.rate, answer.reliability);
  answer.losses = losses_of(answer.offer.engines, terms.gpus, capacity, lost_of(work, i),
                            demand.rate, answer.reliability);
  return answer;
}

}  // namespace

void answer_questions(PlanWork& work) {
  PlanStage stage{.name = "final"};
  std::optional<double> wall_s;
  auto& answers = work.plan.answers;
  answers.clear();
  RunEngines run;
  for (std::size_t q = 0; q < work.asked.size(); ++q) {
    const std::optional<std::size_t> best = work.best[q];
    if (!best) continue;
    ++stage.in;
    const std::size_t i = *best;
    const Offer wanted = left_by(work.offer(i, work.asked[q]));
    const auto same_as = [&](const Offer& offer) {
      return std::ranges::find_if(answers, [&, i](const PlanAnswer& a) {
        return a.candidate == i && a.offer.engines == offer.engines;
      });
    };
    auto same = same_as(wanted);
    if (same == answers.end()) {
      work.proceed("final", q, work.asked.size());
      const StageTime time(work, wall_s);
      PlanAnswer answer = answer_of(work, run, i, wanted, q);
      same = same_as(answer.offer);
      if (same == answers.end()) {
        answers.push_back(std::move(answer));
        ++stage.out;
        continue;
      }
    }
    same->roles.push_back(work.roles[q]);
  }
  stage.wall_s = wall_s;
  work.replace_stage(std::move(stage));
}

std::optional<PlanTie> second_of(const PlanWork& work) {
  const auto& candidates = work.plan.candidates;
  const std::size_t chosen = work.plan.answers.front().candidate;
  std::optional<std::size_t> second;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (i == chosen || !candidates[i].offer) continue;
    if (!second || better(left_by(candidates[i].offer), left_by(candidates[*second].offer)))
      second = i;
  }
  if (!second) return {};
  const Candidate& first = candidates[chosen];
  const Candidate& other = candidates[*second];
  const validation::EngineCapacity &a = left_by(first.measured).capacity,
                                   &b = left_by(other.measured).capacity;
  const auto a_gpu = [](const validation::EngineCapacity& capacity, const Candidate& c) {
    return capacity.p50 / static_cast<double>(c.gpus());
  };
  return PlanTie{*second,
                 validation::probability_better(a, a_gpu(a, first), b, a_gpu(b, other),
                                                first.device == other.device, work.structure())};
}

}  // namespace moesim::tools
