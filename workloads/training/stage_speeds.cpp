#include "workloads/training/stage_speeds.h"

#include <algorithm>

#include "workloads/training/expert_group.h"
#include "workloads/training/schedule.h"

namespace moesim::workloads {
namespace {

// Pipeline ranks that hold a stage.
std::vector<std::int64_t> holders(std::int64_t stage, std::int64_t pp, const TrainingQuestion& q) {
  const ScheduleName name = q.schedule.value_or(ScheduleName::OneFOneB);
  switch (name) {
    case ScheduleName::DualPipe:
      return {stage, pp - 1 - stage};
    case ScheduleName::ZbV:
    case ScheduleName::DualPipeV:
      return {stage < pp ? stage : 2 * pp - 1 - stage};
    default:
      return {stage % pp};
  }
}

}  // namespace

std::vector<std::vector<double>> stage_speeds(const Deployment& deployment,
                                              const TrainingQuestion& question) {
  const Parallelism& p = deployment.layout;
  const auto ranks = static_cast<std::size_t>(group_ranks(p));
  std::vector<std::vector<double>> speeds(question.stages.size(), std::vector<double>(ranks, 1));
  if (deployment.cluster.slow.empty()) return speeds;
  const RankLayout all(p), group(group_of(deployment).layout);
  std::vector<std::vector<double>> of(static_cast<std::size_t>(p.pp), speeds.front());
  for (const hardware::SlowDevice& slow : deployment.cluster.slow) {
    if (slow.rank >= all.ranks()) continue;
    DenseCoordinate at = all.dense(slow.rank);
    const auto stage = static_cast<std::size_t>(at.pp);
    at.pp = 0;
    at.dp %= group.parallelism().dp;
    double& speed = of[stage][group.rank_of(at)];
    speed = std::min(speed, deployment.cluster.speed_of(slow.rank));
  }
  for (std::size_t stage = 0; stage < speeds.size(); ++stage) {
    for (const std::int64_t holder : holders(static_cast<std::int64_t>(stage), p.pp, question))
      for (std::size_t r = 0; r < ranks; ++r)
        speeds[stage][r] = std::min(speeds[stage][r], of[static_cast<std::size_t>(holder)][r]);
  }
  return speeds;
}

double slowest_of(const Deployment& deployment, std::int64_t pipeline_rank) {
  if (deployment.cluster.slow.empty()) return 1;
  const RankLayout all(deployment.layout);
  double speed = 1;
  for (const hardware::SlowDevice& slow : deployment.cluster.slow)
    if (slow.rank < all.ranks() && all.dense(slow.rank).pp == pipeline_rank)
      speed = std::min(speed, deployment.cluster.speed_of(slow.rank));
  return speed;
}

}  // namespace moesim::workloads
