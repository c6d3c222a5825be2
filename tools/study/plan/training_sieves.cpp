#include "tools/study/plan/training_sieves.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "sim/units_text.h"
#include "tools/study/plan/sieves.h"
#include "tools/study/plan/training_floor.h"
#include "workloads/training/read_question.h"

namespace moesim::tools {
namespace {

void enumerate_runs(PlanWork& work) {
  for (std::size_t s = 0; s < work.settings.size(); ++s) {
    const PlanSetting& setting = work.settings[s];
    const workloads::Deployment& base = setting.base();
    const workloads::MoeFfn* moe = base.model.largest_moe();
    const std::int64_t node = base.cluster.gpus_per_node;
    const auto most = std::min<std::int64_t>(work.spec.demand.limits.gpus,
                                             static_cast<std::int64_t>(base.cluster.ranks()));
    for (const std::int64_t gpus : engine_sizes(node, most)) {
      for (const auto& layout :
           layouts_of(gpus, node, moe == nullptr ? 0 : moe->experts, work.spec.space.layouts)) {
        workloads::Deployment d = base;
        d.layout = layout;
        EngineChoice choice{.setting = s, .layout = layout};
        for (const TrainingChoice& more :
             choices_of(work.spec.space.training, d, setting.training_question())) {
          choice.training = more;
          work.plan.candidates.push_back(
              {.choice = choice, .device = setting.device(), .name = setting.name_of(choice)});
        }
      }
    }
  }
  const std::size_t all = work.plan.candidates.size();
  work.known.resize(all);
  work.plan.stages.push_back({"enumerated", all, all});
}

std::optional<Rejection> check_run(const workloads::Scenario& run) {
  const workloads::Deployment& d = run.deployment;
  if (auto refused = refuse(d)) return refused;
  const auto problems = workloads::check(d, *run.training());
  if (problems.empty()) return {};
  const workloads::Problem& first = problems.front();
  return Rejection{first.of == workloads::ProblemOf::Batch ? "batch" : "layout",
                   first.key + ": " + first.text};
}

// Of what fits, the ceiling: tokens a second, with what failures lose of so many GPUs.
std::optional<Rejection> check_memory(const workloads::Scenario& run, KnownEngine& known) {
  const workloads::TrainingQuestion& q = *run.training();
  const TrainingFloor floor = floor_of(run.deployment, q);
  if (floor.bytes > floor.capacity) {
    known.lacks = floor.bytes - floor.capacity;
    return Rejection{"memory", fmt::format("{} at least of {}, a GPU of the fullest rank",
                                           sim::to_text(sim::Bytes(floor.bytes)),
                                           sim::to_text(sim::Bytes(floor.capacity)))};
  }
  known.ceiling = std::numeric_limits<double>::infinity();
  if (floor.step_s <= 0) return {};
  const double tokens =
      static_cast<double>(q.global_batch) * static_cast<double>(q.sequence) / floor.step_s;
  known.ceiling =
      tokens * workloads::goodput_of(*q.run, run.deployment.layout.gpus(), tokens).goodput;
  return {};
}

}  // namespace

void sieve_training(PlanWork& work) {
  enumerate_runs(work);
  const auto run = [&](std::size_t i) {
    return work.setting(i).training(work.plan.candidates[i].choice);
  };
  sieve(work, "layout", [&](std::size_t i) { return check_run(run(i)); });
  sieve(work, "memory", [&](std::size_t i) { return check_memory(run(i), work.known[i]); });
  sieve(work, "floor", [&](std::size_t i) {
    return work.over_the_limits(i, work.known[i].ceiling, work.structure(), Sureness::AtMost);
  });
  for (std::size_t i = 0; i < work.plan.candidates.size(); ++i)
    if (!work.plan.candidates[i].rejected) work.left.push_back(i);
}

}  // namespace moesim::tools
