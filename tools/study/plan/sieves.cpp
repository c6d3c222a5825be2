#include "tools/study/plan/sieves.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "sim/error.h"
#include "sim/units_text.h"
#include "tools/study/plan/floor.h"
#include "tools/study/point_id.h"
#include "workloads/memory/dispatch_limit.h"
#include "workloads/memory/step_memory.h"

namespace moesim::tools {
namespace {

using workloads::Deployment;
using workloads::serving::ServingQuestion;
using workloads::serving::TimeOf;

// `as`: what it is the same as, if it is.
void add(PlanWork& work, const EngineChoice& choice, const std::optional<std::string>& as) {
  // Experts that are not shared out are not held twice, and nothing is sent to them.
  const PlanSpace& space = work.spec.space;
  const bool more =
      choice.redundant > space.redundant.front() || choice.two_batch != space.two_batch.front();
  const PlanSetting& setting = work.settings[choice.setting];
  Candidate candidate{
      .choice = choice, .device = setting.device(), .name = setting.name_of(choice)};
  if (choice.layout.ep == 1 && more)
    candidate.rejected =
        Rejection{"duplicate",
                  "its experts are not shared out: " + short_name(choice.layout) + " is the same"};
  else if (as)
    candidate.rejected = Rejection{"duplicate", *as + " is the same, resolved"};
  work.plan.candidates.push_back(std::move(candidate));
}

// Layouts that span nodes with what has to lie within one: a row for each size of them.
void add_beyond_a_node(PlanWork& work, std::size_t s, std::int64_t gpus) {
  const PlanSetting& setting = work.settings[s];
  const std::int64_t node = setting.base().cluster.gpus_per_node;
  for (const std::int64_t tp : work.spec.space.layouts.tp) {
    if (tp <= node || gpus % tp != 0) continue;
    const EngineChoice choice{.setting = s, .layout = {.tp = tp, .dp = gpus / tp, .etp = tp}};
    work.plan.candidates.push_back(
        {.choice = choice,
         .device = setting.device(),
         .name = setting.name_of(choice),
         .rejected = Rejection{
             "node", fmt::format("tp {} lies in more than one node of {} GPUs", tp, node)}});
  }
}

// Of each setting the name of an earlier one that is the same with every default written out, at
// the same price.
std::vector<std::optional<std::string>> same_settings(const PlanWork& work) {
  std::vector<std::optional<std::string>> same(work.settings.size());
  std::map<std::pair<std::size_t, std::string>, std::string> seen;
  for (std::size_t s = 0; s < work.settings.size(); ++s) {
    const PlanSetting& setting = work.settings[s];
    workloads::Scenario scenario;
    scenario.deployment = setting.base();
    scenario.inputs = setting.inputs();
    if (!work.spec.steps) scenario.question = setting.question({.layout = setting.base().layout});
    const auto [found, is_new] =
        seen.try_emplace({setting.gpu(), point_id(scenario, work.options.version)}, "");
    if (is_new)
      found->second = setting.varied_text();
    else
      same[s] = found->second;
  }
  return same;
}

// Every layout of every size of every setting.
void add_all(PlanWork& work) {
  const PlanSpace& space = work.spec.space;
  const auto same = same_settings(work);
  for (std::size_t s = 0; s < work.settings.size(); ++s) {
    const Deployment& base = work.settings[s].base();
    const workloads::MoeFfn* moe = base.model.largest_moe();
    const std::int64_t node = base.cluster.gpus_per_node;
    const auto most = std::min<std::int64_t>(work.spec.demand.limits.gpus,
                                             static_cast<std::int64_t>(base.cluster.ranks()));
    for (const std::int64_t redundant : space.redundant) {
      const std::int64_t slots = moe == nullptr ? 0 : moe->experts + redundant;
      for (const std::int64_t gpus : engine_sizes(node, most)) {
        if (redundant == space.redundant.front()) add_beyond_a_node(work, s, gpus);
        for (const auto& layout : layouts_of(gpus, node, slots, space.layouts)) {
          if (is_several_engines(layout)) continue;  // it is there with fewer GPUs
          for (const bool two : space.two_batch)
            add(work, {.setting = s, .layout = layout, .redundant = redundant, .two_batch = two},
                same[s]);
        }
      }
    }
  }
}

std::optional<Rejection> check_step_memory(const Deployment& d, const StepLoad& load,
                                           KnownEngine& known) {
  known.most = most_in_memory(d, load);
  if (known.most >= 1) return {};
  const auto batch = workloads::on_every_rank(
      {load.decode ? workloads::decoding(1, load.length) : workloads::prompts(1, load.length)});
  if (const auto why = workloads::beyond_dispatch(d, load.decode ? 1 : load.length))
    return Rejection{"memory", *why};
  const auto plan = workloads::plan_step_memory(d, batch, 0);
  return Rejection{"memory", fmt::format("{} of {} for a batch of one",
                                         sim::to_text(sim::Bytes(plan.gpu().peak())),
                                         sim::to_text(sim::Bytes(plan.capacity)))};
}

std::optional<Rejection> check_cache(const Deployment& d, KnownEngine& known) {
  const ServingQuestion& q = left_by(known.question);
  try {
    known.cache = workloads::serving::plan_cache(d, q.pool, q.mean_input() + q.mean_output() / 2);
  } catch (const sim::InfeasibleError& error) {
    return Rejection{"memory", error.what()};
  }
  const auto longest = static_cast<double>(q.longest());
  const double held = static_cast<double>(known.cache->blocks * known.cache->block);
  if (held >= longest) return {};
  return Rejection{
      "memory", fmt::format("the cache holds {:.0f} tokens of a request of {:.0f}", held, longest)};
}

// What a part of the requests is to meet of a token's time: those that miss may run at any batch. A
// mean bounds no batch.
struct TokenTarget {
  std::optional<double> seconds = {};
  double attained = 1;
};
std::vector<TokenTarget> token_targets(const workloads::serving::Targets& targets) {
  std::vector<TokenTarget> all;
  if (targets.tpot) all.push_back({sim::to_seconds(*targets.tpot), targets.attained});
  for (const auto& target : targets.statistics) {
    const auto part = part_of(target.statistic);
    if (target.of == TimeOf::Tpot && part) all.push_back({sim::to_seconds(target.most), *part});
  }
  if (all.empty()) all.push_back({{}, targets.of_requests() ? targets.attained : 1});
  return all;
}

// The least of what each target leaves.
double ceiling_of(const Deployment& d, FloorLoad load, const PlanSpec& spec) {
  if (spec.steps) return floor_of(d, load).ceiling;
  double ceiling = std::numeric_limits<double>::infinity();
  for (const TokenTarget& target : token_targets(spec.targets)) {
    load.tpot_s = target.seconds;
    load.attained = target.attained;
    ceiling = std::min(ceiling, floor_of(d, load).ceiling);
  }
  return ceiling;
}

// The load of an engine, and the least of its requests alone.
struct FloorLoads {
  FloorLoad load = {}, least = {};
};

FloorLoads loads_of_steps(const PlanSpec& spec, const KnownEngine& known) {
  const StepLoad& steps = left_by(spec.steps);
  FloorLoad load{.most_sequences = known.most};
  if (steps.decode) {
    load.output = 1;
    load.context = static_cast<double>(steps.length);
    load.tpot_s = target_s(spec, TimeOf::Tpot);
  } else {
    load.prompt = static_cast<double>(steps.length);
  }
  return {load, load};
}

FloorLoads loads_of_requests(const KnownEngine& known) {
  const ServingQuestion& q = left_by(known.question);
  FloorLoad load;
  load.accepted = q.tokens_a_step();
  load.context = q.least_input();
  load.prompt = q.own_input();
  load.output = q.mean_output();
  load.most_sequences = most_sequences(q.pool, left_by(known.cache), load.context);
  FloorLoad least = load;
  least.prompt = q.least_input();
  return {load, least};
}

std::optional<Rejection> check_floor(PlanWork& work, std::size_t i) {
  const PlanSpec& spec = work.spec;
  const Deployment& d = work.laid_out(i);
  KnownEngine& known = work.known[i];
  const FloorLoads loads = spec.steps ? loads_of_steps(spec, known) : loads_of_requests(known);
  const Floor alone = floor_of(d, loads.least);
  const auto tpot = target_s(spec, TimeOf::Tpot), ttft = target_s(spec, TimeOf::Ttft);
  known.late = std::max(tpot ? alone.tpot_s / *tpot : 0, ttft ? alone.ttft_s / *ttft : 0);
  if (tpot && alone.tpot_s > *tpot) {
    return Rejection{"floor_tpot", fmt::format("one token takes {} at least, of {}",
                                               seconds_text(alone.tpot_s), seconds_text(*tpot))};
  }
  if (ttft && alone.ttft_s > *ttft) {
    return Rejection{"floor_ttft", fmt::format("one prompt takes {} at least, of {}",
                                               seconds_text(alone.ttft_s), seconds_text(*ttft))};
  }
  // Of steps a prompt is all of its tokens.
  known.ceiling = ceiling_of(d, loads.load, spec);
  if (spec.steps && !spec.steps->decode) known.ceiling *= static_cast<double>(spec.steps->length);
  return work.over_the_limits(i, known.ceiling, work.structure(), Sureness::AtMost);
}

}  // namespace

void sieve(PlanWork& work, const std::string& name,
           const std::function<std::optional<Rejection>(std::size_t i)>& check) {
  PlanStage stage{.name = name};
  auto& candidates = work.plan.candidates;
  {
    const StageTime time(work, stage.wall_s);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (candidates[i].rejected) continue;
      work.proceed(name, i, candidates.size());
      ++stage.in;
      candidates[i].rejected = check(i);
      if (!candidates[i].rejected) ++stage.out;
    }
  }
  work.plan.stages.push_back(std::move(stage));
}

double ceiling_of_pool(const PlanWork& work, std::size_t i, bool reads) {
  FloorLoad load = loads_of_requests(work.known[i]).load;
  (reads ? load.output : load.prompt) = 0;
  return ceiling_of(work.laid_out(i), load, work.spec);
}

void enumerate(PlanWork& work) {
  PlanStage stage{.name = "enumerated"};
  {
    const StageTime time(work, stage.wall_s);
    add_all(work);
  }
  stage.in = work.plan.candidates.size();
  stage.out = static_cast<std::size_t>(
      std::ranges::count_if(work.plan.candidates, [](const Candidate& c) { return !c.rejected; }));
  work.known.resize(stage.in);
  work.plan.stages.push_back(std::move(stage));
}

void sieve_layouts(PlanWork& work) {
  sieve(work, "layout", [&](std::size_t i) { return refuse(work.laid_out(i)); });
}

void sieve_memory(PlanWork& work) {
  sieve(work, "memory", [&](std::size_t i) {
    const Deployment& d = work.laid_out(i);
    KnownEngine& known = work.known[i];
    if (work.spec.steps) return check_step_memory(d, *work.spec.steps, known);
    known.question = std::make_shared<const ServingQuestion>(
        work.setting(i).question(work.plan.candidates[i].choice));
    return check_cache(d, known);
  });
}

void sieve_floors(PlanWork& work) {
  sieve(work, "floor", [&](std::size_t i) { return check_floor(work, i); });
  for (std::size_t i = 0; i < work.plan.candidates.size(); ++i)
    if (!work.plan.candidates[i].rejected) work.left.push_back(i);
}

}  // namespace moesim::tools
