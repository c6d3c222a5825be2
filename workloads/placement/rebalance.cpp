#include "workloads/placement/rebalance.h"

#include <algorithm>

#include "workloads/placement/evidence.h"

namespace moesim::workloads {

LoadTable read_window_loads(RoutingSource& source, const TokenSources& sources,
                            const EvaluationWindow& window) {
  return gather_evidence(source, {{0, sources}}, {window.first_step, window.steps, false}).loads;
}

double move_time_us(const WeightMoves& moves, double expert_bytes,
                    const hardware::Cluster& cluster) {
  const double up = cluster.scale_up.bandwidth.bytes_per_second();
  const double out = cluster.scale_out.bandwidth.bytes_per_second() *
                     static_cast<double>(cluster.scale_out.nics_per_node) /
                     static_cast<double>(cluster.gpus_per_node);
  const double nvlink =
      moves.busiest_nvlink == 0 ? 0 : static_cast<double>(moves.busiest_nvlink) * expert_bytes / up;
  const double network = moves.busiest_network == 0
                             ? 0
                             : static_cast<double>(moves.busiest_network) * expert_bytes / out;
  return std::max(nvlink, network) * 1e6;
}

std::vector<RebalanceInterval> rebalance_intervals(const RebalanceQuestion& question) {
  std::vector<RebalanceInterval> intervals;
  double sum = 0;
  for (std::uint32_t n = 1; n < question.aged.size(); ++n) {
    const double now =
        question.step_us + question.balanced_us * (question.aged[n] - question.made_on_next);
    sum += now;
    RebalanceInterval interval{n, question.aged[n], sum / n, 0};
    interval.with_moves_us =
        interval.step_us + question.move_us / (static_cast<double>(n) * question.steps_per_window);
    intervals.push_back(interval);
  }
  return intervals;
}

std::uint32_t best_interval(const std::vector<RebalanceInterval>& intervals) {
  const RebalanceInterval* best = nullptr;
  for (const RebalanceInterval& interval : intervals) {
    if (best == nullptr || interval.with_moves_us <= best->with_moves_us) best = &interval;
  }
  return best == nullptr ? 0 : best->windows;
}

}  // namespace moesim::workloads
