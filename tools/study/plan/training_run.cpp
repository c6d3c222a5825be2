#include "tools/study/plan/training_run.h"

#include <algorithm>

#include "workloads/model/counts.h"
#include "workloads/report/power_use.h"
#include "workloads/run_training.h"
#include "workloads/step/factors.h"
#include "workloads/training/training_report.h"

namespace moesim::tools {
namespace {

using workloads::Factor;
using workloads::Phase;
using workloads::Report;

using Shares = std::array<double, workloads::kFactors>;

Shares shares_of(const Report& report, const workloads::Deployment& d,
                 const workloads::TrainingQuestion& q) {
  const workloads::TokenFlops flops = workloads::prefill_flops(d.model, q.sequence, true);
  double projections = 0;
  for (const std::size_t kind : d.model.layers)
    projections +=
        2 * static_cast<double>(layer_params(d.model.kinds[kind], d.model.hidden).mixer.matrices());
  const double core = flops.attention / std::max(1.0, flops.attention + projections);
  Shares shares{};
  const auto add = [&](Factor factor, double us) {
    shares[static_cast<std::size_t>(factor)] += us;
  };
  for (std::size_t i = 0; i < workloads::kPhases; ++i) {
    const auto phase = static_cast<Phase>(i);
    const double us = report.phases[i].exposed_us;
    const double cores = phase == Phase::Attention ? core * us : 0;
    add(Factor::Attention, cores);
    add(workloads::factor_of(phase), us - cores);
  }
  double sum = 0;
  for (const double share : shares) sum += share;
  if (sum > 0)
    for (double& share : shares) share /= sum;
  return shares;
}

}  // namespace

TrainingRate rate_of(const workloads::Scenario& scenario) {
  const workloads::RunResult result = workloads::run_training(scenario, {});
  const Report& report = result.report;
  const workloads::Deployment& d = scenario.deployment;
  TrainingRate rate;
  if (!report.memory.fits) rate.lacking = report.memory.advice;
  const double us = report.step_time_us.mean;
  const auto& goodput = result.training->goodput;
  // Of a routing that drifts the mean step is in the days of the run.
  const double tokens = scenario.training()->run->tokens;
  const double done = goodput->days > 0 ? tokens / (goodput->days * 86400) : 0;
  const workloads::Interval& interval = report.interval.at("step_time_us");
  rate.capacity = {.p10 = done * us / interval.p90,
                   .p50 = done,
                   .p90 = done * us / interval.p10,
                   .share = shares_of(report, d, *scenario.training())};
  workloads::PhaseWork work;
  for (std::size_t i = 0; i < workloads::kPhases; ++i) {
    work.flops[i] = report.phases[i].flops;
    work.bytes[i] = report.phases[i].memory_bytes;
  }
  rate.use = workloads::power_use(work, static_cast<double>(report.gpus), us * 1e-6,
                                  d.cluster.device, d.formats);
  return rate;
}

TrainingRate TrainingEstimates::of(std::size_t setting, workloads::Scenario scenario) {
  auto& question = std::get<workloads::TrainingQuestion>(scenario.question);
  workloads::Deployment& d = scenario.deployment;
  question.draws = 1;
  question.run->routing.clear();
  d.network.fidelity = hardware::Fidelity::Bound;
  workloads::Scenario balanced = scenario;
  balanced.deployment.routing = {.law = workloads::Law::Balanced};
  TrainingRate rate = rate_of(balanced);
  const workloads::Parallelism& p = d.layout;
  const auto [found, is_new] = slowdown_.try_emplace(
      {static_cast<std::int64_t>(setting), p.tp, p.cp, p.ep, p.etp, question.micro_batch}, 1.0);
  if (is_new && rate.capacity.p50 > 0)
    found->second = rate.capacity.p50 / rate_of(scenario).capacity.p50;
  rate.capacity.p50 /= found->second;
  return rate;
}

}  // namespace moesim::tools
