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

// How far an interval, and a restart, are from short beside the time between failures.
double higher_order(double every, double again, double mtbf) {
  constexpr double kFirst = 0.15, kHigher = 0.3;
  return std::clamp(((every + again) / mtbf - kFirst) / (kHigher - kFirst), 0.0, 1.0);
}

double daly_interval(double blocks, double mtbf) {
  if (blocks >= 2 * mtbf) return mtbf;
  const double x = blocks / (2 * mtbf);
  return std::sqrt(2 * blocks * mtbf) * (1 + std::sqrt(x) / 3 + x / 9) - blocks;
}

double daly_progress(double every, double blocks, double again, double mtbf) {
  return every / (mtbf * std::exp(again / mtbf) * std::expm1((every + blocks) / mtbf));
}

}  // namespace

Goodput goodput_of(const RunPlan& plan, std::int64_t gpus, double tokens_per_s) {
  SIM_CHECK(gpus > 0 && tokens_per_s > 0, "a run that makes no progress");
  Goodput result;
  const double blocks = plan.blocks_s;
  const double again = plan.detect_s + plan.restart_s;
  const double mtbf = plan.gpu_mtbf_s / static_cast<double>(gpus);
  double every = plan.every_s.value_or(0);
  double lost = 0;  // of first order
  if (mtbf > 0) {
    result.mtbf_h = mtbf / 3600;
    const double young = std::sqrt(2 * blocks * (mtbf + again));
    result.higher = higher_order(plan.every_s.value_or(young), again, mtbf);
    if (!plan.every_s)
      every = (1 - result.higher) * young + result.higher * daly_interval(blocks, mtbf);
    lost = (every / 2 + again) / mtbf;
  }
  if (every > 0) lost += blocks / every;
  result.checkpoint_every_s = every;
  result.goodput = std::max(0.0, 1 - lost);
  if (result.higher > 0 && every > 0)
    result.goodput = (1 - result.higher) * result.goodput +
                     result.higher * daly_progress(every, blocks, again, mtbf);
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
