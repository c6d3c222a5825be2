#include "tools/study/plan/otherwise.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "sim/error.h"
#include "sim/units_text.h"
#include "tools/study/plan/apart.h"
#include "tools/study/plan/choose.h"
#include "tools/study/plan/sieves.h"

namespace moesim::tools {
namespace {

using workloads::serving::Targets;
using workloads::serving::TimeOf;

constexpr std::array kTimesLonger{1.25, 1.5, 2.0, 3.0, 5.0};

sim::Duration longer(sim::Duration time, double times) {
  return sim::Duration(std::llround(static_cast<double>(time.count()) * times));
}

// `{ttft: 2 s, tpot: {each: 80 ms, p95: 60 ms}, attained: 0.99}`
std::string targets_yaml(const Targets& targets) {
  using workloads::serving::kStatisticNames, workloads::serving::kTimeOfNames;
  const std::array each{targets.ttft, targets.tpot, std::optional<sim::Duration>(), targets.e2el};
  const auto text = [](sim::Duration time) { return fmt::format("{} us", sim::to_us(time)); };
  std::string all;
  for (std::size_t i = 0; i < kTimeOfNames.size(); ++i) {
    std::string of = each[i] ? "each: " + text(*each[i]) : "";
    for (const auto& target : targets.statistics) {
      if (target.of != static_cast<TimeOf>(i)) continue;
      of += fmt::format("{}{}: {}", of.empty() ? "" : ", ",
                        kStatisticNames[static_cast<std::size_t>(target.statistic)],
                        text(target.most));
    }
    if (!of.empty()) all += fmt::format("{}: {{{}}}, ", kTimeOfNames[i], of);
  }
  return fmt::format("{{{}attained: {}}}", all, targets.attained);
}

// The time that is stretched: of steps their own, else a token's.
TimeOf stretched(const PlanSpec& spec) {
  return spec.steps && !spec.steps->decode ? TimeOf::Ttft : TimeOf::Tpot;
}

PlanSpec with_longer(const PlanSpec& spec, double times) {
  PlanSpec more = spec;
  const TimeOf of = stretched(spec);
  auto& each = of == TimeOf::Ttft ? more.targets.ttft : more.targets.tpot;
  if (each) each = longer(*each, times);
  for (auto& target : more.targets.statistics)
    if (target.of == of) target.most = longer(target.most, times);
  more.targets_text = targets_yaml(more.targets);
  return more;
}

// What the engine does alone, measured; nothing where that is beyond the limits.
std::optional<BestEngine> measured_alone(const PlanSpec& spec, const PlanOptions& options,
                                         const Candidate& engine) {
  PlanWork work(spec, options);
  work.plan.candidates = {{.choice = engine.choice, .device = engine.device, .name = engine.name}};
  work.known.resize(1);
  sieve_memory(work);
  sieve_floors(work);
  if (work.left.empty() || work.estimate(0).capacity <= 0) return {};
  if (work.measure(0).capacity.p50 <= 0) return {};
  const auto offer = work.offer(0, work.asked.front());
  if (!offer) return {};
  return BestEngine{work.plan.candidates.front(), *offer};
}

void look_for_time(const PlanWork& work, Nearest& nearest) {
  const Candidate& engine = work.plan.candidates[nearest.candidate];
  const TimeOf of = stretched(work.spec);
  if (engine.choice.prefill || !target_s(work.spec, of)) return;
  std::optional<BestEngine> found;
  double times = 0;
  // More time never carries less: the least that does, by halves.
  for (std::size_t low = 0, high = kTimesLonger.size(); low < high;) {
    const std::size_t middle = (low + high) / 2;
    work.proceed("nearest", low, kTimesLonger.size());
    if (auto one =
            measured_alone(with_longer(work.spec, kTimesLonger[middle]), work.options, engine)) {
      found = std::move(one);
      times = kTimesLonger[middle];
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  if (!found) return;
  const Targets targets = with_longer(work.spec, times).targets;
  const auto time = workloads::serving::tightest(targets, of);
  const bool first = of == TimeOf::Ttft;
  nearest.otherwise.push_back(
      {.what = fmt::format("a {} of {}", first ? "TTFT" : "TPOT", sim::to_text(*time)),
       .key = first ? "targets.ttft" : "targets.tpot",
       .value = sim::to_text(*time),
       .engine = std::move(found->engine),
       .offer = found->offer});
}

void look_for_cache(const PlanWork& work, Nearest& nearest) {
  constexpr const char* kKey = "precision.kv_cache";
  const bool varies = std::ranges::any_of(
      work.spec.vary, [](const Axis& axis) { return axis.key == kKey || axis.key == "precision"; });
  if (varies) return;
  PlanSpec spec = work.spec;
  spec.base.emplace_back(kKey, "fp8");
  try {
    PlanWork other(spec, work.options);
    const auto same = [](const PlanSetting& a, const PlanSetting& b) {
      return a.base().formats.kv_cache == b.base().formats.kv_cache;
    };
    if (std::ranges::equal(other.settings, work.settings, same)) return;
    if (auto found = best_of(other))
      nearest.otherwise.push_back({.what = "a cache in fp8",
                                   .key = kKey,
                                   .value = "fp8",
                                   .engine = std::move(found->engine),
                                   .offer = found->offer});
  } catch (const sim::ConfigError&) {
    return;  // this model, or what the question says of its precision, has no such cache
  }
}

}  // namespace

std::optional<BestEngine> best_of(PlanWork& work) {
  work.asked = {work.asked.front(), work.asked.front()};
  work.roles = {"chosen", "chosen"};
  enumerate(work);
  sieve_layouts(work);
  sieve_memory(work);
  sieve_floors(work);
  add_pools_apart(work);
  choose(work);
  if (!work.best.front()) return {};
  const std::size_t i = *work.best.front();
  return BestEngine{work.plan.candidates[i], left_by(work.offer(i, work.asked.front()))};
}

void look_otherwise(const PlanWork& work, Nearest& nearest) {
  look_for_time(work, nearest);
  look_for_cache(work, nearest);
}

}  // namespace moesim::tools
