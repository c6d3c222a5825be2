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

Goodput goodput_of(const RunPlan& plan, std::int64_t gpus, double tokens_per_s) {
  SIM_CHECK(gpus > 0 && tokens_per_s > 0, "a run that makes no progress");
  Goodput result;
  const double blocks = plan.blocks_s;
  const double again = plan.detect_s + plan.restart_s;
  const double mtbf = plan.gpu_mtbf_s / static_cast<double>(gpus);
  double every = plan.every_s.value_or(0);
  if (mtbf > 0) {
    result.mtbf_h = mtbf / 3600;
    if (!plan.every_s) every = std::sqrt(2 * blocks * (mtbf + again));
    result.lost_share = (every / 2 + again) / mtbf;
    result.rough = every > mtbf / 5;
  }
  if (every > 0) result.lost_share += blocks / every;
  result.checkpoint_every_s = every;
  result.lost_share = std::min(result.lost_share, 1.0);
  result.goodput = 1 - result.lost_share;
  if (plan.tokens > 0 && result.goodput > 0) {
    const double seconds = plan.tokens / tokens_per_s / result.goodput;
    result.days = seconds / 86400;
    result.gpu_hours = seconds / 3600 * static_cast<double>(gpus);
  }
  return result;
}

}  // namespace moesim::workloads
