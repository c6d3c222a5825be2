#include "workloads/training_bottleneck.h"

#include <algorithm>
#include <string>

#include "workloads/report/time_account.h"

namespace moesim::workloads {

std::vector<BottleneckReport> bottleneck_of(const Report& report, const TrainingReport& training,
                                            const PhaseBounds& bounds) {
  constexpr std::array kBounds{Reason::Launch, Reason::Compute, Reason::Memory};
  std::vector<BottleneckReport> parts;
  const auto add = [&](std::string what, double us) {
    // Below a picosecond: what rounding leaves of doubles.
    if (us > 1e-6)
      parts.push_back(
          {.what = std::move(what), .time_us = us, .share = us / report.step_time_us.mean});
  };
  const auto add_phase = [&](std::size_t phase, Reason reason, double us) {
    add(bottleneck_name(kPhaseNames[phase], name_of(reason)), us);
  };
  double optimizer = 0, bubble = 0;
  for (const TrainingReport::RankRow& rank : training.ranks) {
    optimizer += rank.optimizer_us / static_cast<double>(training.ranks.size());
    bubble += rank.bubble_us / static_cast<double>(training.ranks.size());
  }
  for (std::size_t i = 0; i < kPhases; ++i) {
    const PhaseReport& phase = report.phases[i];
    const double shown = phase.exposed_us - (i == index_of(Phase::Other) ? optimizer : 0);
    const double computed = bounds[i][0] + bounds[i][1] + bounds[i][2];
    if (i == index_of(Phase::Host)) {
      add_phase(i, Reason::Host, shown);
    } else if (computed > 0) {
      for (std::size_t b = 0; b < kBounds.size(); ++b)
        add_phase(i, kBounds[b], shown * bounds[i][b] / computed);
    } else {
      add_phase(i, Reason::Network, shown - phase.waiting_us);
      add_phase(i, Reason::SlowerRanks, phase.waiting_us);
    }
  }
  add("optimizer", optimizer);
  const double late = std::min(report.idle_us, training.mean_us() - training.step_us);
  const double idle = report.idle_us - late;
  add(bottleneck_name("idle", name_of(Reason::Bubble)), std::min(bubble, idle));
  add(bottleneck_name("idle", name_of(Reason::Idle)), idle - std::min(bubble, idle));
  add("idle: late GPUs", late);
  std::ranges::stable_sort(parts,
                           [](const auto& a, const auto& b) { return a.time_us > b.time_us; });
  return parts;
}

}  // namespace moesim::workloads
