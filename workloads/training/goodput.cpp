#include "workloads/training/goodput.h"

#include <algorithm>
#include <cmath>

#include "sim/check.h"

namespace moesim::workloads {

double mean_step_us(const RunPlan& plan, const std::vector<double>& steps_us) {
  SIM_CHECK(!steps_us.empty() && steps_us.size() == plan.routing.size(),
            "a step time for each part of a run");
  double sum = 0;
  for (std::size_t i = 0; i < steps_us.size(); ++i) {
    const double to = i + 1 < steps_us.size() ? plan.routing[i + 1].from : 1;
    sum += (to - plan.routing[i].from) * steps_us[i];
  }
  return sum;
}

namespace {

double best_interval(double blocks, double mtbf) {
  if (blocks >= 2 * mtbf) return mtbf + blocks;
  const double x = blocks / (2 * mtbf);
  return std::sqrt(2 * blocks * mtbf) * (1 + std::sqrt(x) / 3 + x / 9);
}

// Of the time; `mtbf` 0: no failures, `every` 0: no checkpoints.
double progress(double every, double blocks, double again, double mtbf) {
  if (mtbf == 0) return every > 0 ? 1 - blocks / every : 1;
  const double of_work = every > 0 ? (every - blocks) / (mtbf * std::expm1(every / mtbf)) : 1;
  return of_work / std::exp(again / mtbf);
}

}  // namespace

Goodput goodput_of(const RunPlan& plan, std::int64_t gpus, double tokens_per_s) {
  SIM_CHECK(gpus > 0 && tokens_per_s > 0, "a run that makes no progress");
  Goodput result;
  const double mtbf = plan.gpu_mtbf_s / static_cast<double>(gpus);
  result.mtbf_h = mtbf / 3600;
  result.checkpoint_every_s =
      plan.every_s.value_or(mtbf > 0 ? best_interval(plan.blocks_s, mtbf) : 0);
  result.goodput = std::max(0.0, progress(result.checkpoint_every_s, plan.blocks_s,
                                          plan.detect_s + plan.restart_s, mtbf));
  result.lost_share = 1 - result.goodput;
  result.ends = result.goodput >= kLeastGoodput;
  if (plan.tokens > 0 && result.ends) {
    const double seconds = plan.tokens / tokens_per_s / result.goodput;
    result.days = seconds / 86400;
    result.gpu_hours = seconds / 3600 * static_cast<double>(gpus);
  }
  return result;
}

}  // namespace moesim::workloads
