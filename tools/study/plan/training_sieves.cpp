#include "tools/study/plan/training_sieves.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "sim/units_text.h"
#include "tools/study/plan/sieves.h"
#include "tools/study/plan/training_floor.h"
#include "workloads/training/read_question.h"

namespace moesim::tools {
namespace {

void enumerate_runs(PlanWork& work) {
  PlanStage stage{.name = "enumerated"};
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
        EngineChoice choice{.setting = s, .layout = layout};
        for (const TrainingChoice& more : choices_of(work.spec.space.training, layout, base.model,
                                                     setting.training_question())) {
          choice.training = more;
          work.plan.candidates.push_back(
              {.choice = choice, .device = setting.device(), .name = setting.name_of(choice)});
        }
      }
    }
  }
  stage.in = stage.out = work.plan.candidates.size();
  work.known.resize(stage.in);
  work.plan.stages.push_back(std::move(stage));
}

std::optional<Rejection> check_run(const workloads::Deployment& d,
                                   const workloads::TrainingQuestion& q) {
  const auto problems = workloads::check(d, q);
  if (problems.empty()) return {};
  const workloads::Problem& first = problems.front();
  return Rejection{first.of == workloads::ProblemOf::Batch ? "batch" : "layout",
                   first.key + ": " + first.text};
}

// What is wrong with a run: of its layout and its schedule, and what is computed again where passes
// are woven. Candidates that differ in the rest lie side by side.
class RefusedRuns {
 public:
  const std::optional<Rejection>& of(const PlanSetting& setting, const EngineChoice& choice) {
    const workloads::Parallelism& p = choice.layout;
    const TrainingChoice& t = *choice.training;
    const bool woven = setting.training_question().overlap.expert ||
                       t.schedule == workloads::ScheduleName::DualPipe ||
                       t.schedule == workloads::ScheduleName::DualPipeV;
    const Layout layout{
        static_cast<std::int64_t>(choice.setting), p.tp, p.pp, p.dp, p.ep, p.etp, p.cp};
    const Run run{t.micro_batch, t.schedule ? static_cast<std::int64_t>(*t.schedule) : -1,
                  t.virtual_stages, woven ? static_cast<std::int64_t>(t.recompute) : 0};
    const bool same_layout = layout == layout_;
    if (same_layout && run == run_) return refused_;
    const workloads::Deployment& d = setting.laid_out(choice);
    if (!same_layout) by_layout_ = refuse(d);
    refused_ = by_layout_ ? by_layout_ : check_run(d, setting.training_question(choice));
    layout_ = layout;
    run_ = run;
    return refused_;
  }

 private:
  using Layout = std::array<std::int64_t, 7>;
  using Run = std::array<std::int64_t, 4>;
  Layout layout_{-1};
  Run run_{};
  std::optional<Rejection> by_layout_, refused_;
};

// Of what fits, the ceiling: tokens a second, with what failures lose of so many GPUs.
std::optional<Rejection> check_memory(const workloads::Deployment& d,
                                      const workloads::TrainingQuestion& q, TrainingFloors& floors,
                                      KnownEngine& known) {
  const TrainingFloor floor = floors.of(d, q);
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
  known.ceiling = tokens * workloads::goodput_of(*q.run, d.layout.gpus(), tokens).goodput;
  return {};
}

}  // namespace

void sieve_training(PlanWork& work) {
  enumerate_runs(work);
  RefusedRuns refused;
  sieve(work, "layout",
        [&](std::size_t i) { return refused.of(work.setting(i), work.plan.candidates[i].choice); });
  std::vector<TrainingFloors> floors(work.settings.size());
  sieve(work, "memory", [&](std::size_t i) {
    const EngineChoice& choice = work.plan.candidates[i].choice;
    return check_memory(work.setting(i).laid_out(choice), work.setting(i).training_question(choice),
                        floors[choice.setting], work.known[i]);
  });
  sieve(work, "floor", [&](std::size_t i) {
    return work.over_the_limits(i, work.known[i].ceiling, work.structure(), Sureness::AtMost);
  });
  for (std::size_t i = 0; i < work.plan.candidates.size(); ++i)
    if (!work.plan.candidates[i].rejected) work.left.push_back(i);
}

}  // namespace moesim::tools
