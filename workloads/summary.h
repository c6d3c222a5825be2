// From what was executed to what is reported: means over ranks and steps, loads, what bounds a
// step.
#pragma once

#include <vector>

#include "sim/timeline.h"
#include "workloads/report.h"
#include "workloads/step/step_builder.h"

namespace moesim::workloads {

// Adds up steps, one after another, and tells the mean of them.
class Summary {
 public:
  // `from`: where in the timeline the step begins that counts (a pipeline was filled before).
  void add(const BuiltStep& step, const sim::Timeline& timeline, sim::Time from);

  // Writes step times, phases, loads, bottleneck, intervals and sums into the report.
  // REQUIRES: a step was added
  void write(Report& report) const;

  // The rows that the most loaded rank computed in its worst layer of any step.
  std::int64_t most_rows() const { return most_rows_; }

 private:
  void add_bytes(const BuiltStep& step);
  void write_phases(Report& report) const;
  void write_loads(Report& report) const;
  void write_bottleneck(Report& report) const;
  void write_intervals(Report& report) const;

  std::int64_t steps_ = 0;
  double ranks_ = 0;
  std::vector<double> step_times_us_;
  std::array<sim::PhaseTime, kPhases> phases_{};  // sums over ranks and steps
  sim::Duration idle_{};
  StepAccount account_;  // sums over steps
  std::int64_t most_rows_ = 0;
  std::array<std::int64_t, kPhases> bytes_{};  // of exchanges, payload
};

}  // namespace moesim::workloads
