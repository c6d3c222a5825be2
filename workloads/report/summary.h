// From what was executed to what is reported: means over ranks and steps, loads, what bounds a
// step.
#pragma once

#include <vector>

#include "sim/timeline.h"
#include "workloads/report/provenance.h"
#include "workloads/report/report.h"
#include "workloads/report/time_account.h"
#include "workloads/step/factors.h"
#include "workloads/step/player.h"

namespace moesim::workloads {

// Adds up steps, one after another, and tells the mean of them.
class Summary {
 public:
  // `output`: the tokens that the step is worth, of all ranks. `weight`: how much it counts in
  // means; sums that must add up count every step whole.
  void add(const StepOutcome& step, double output, double weight = 1);

  // Writes step times, phases, loads, bottleneck, intervals, trust and sums into the report.
  // REQUIRES: a step was added
  void write(const Deployment& deployment, Report& report) const;

  // Of the mean step's 80 % interval what the cost models say, over the step: errors of one go the
  // same way in all of its phases, those of different ones are independent and add up as squares.
  // What is written has structure.h's beside it.
  struct Ends {
    double low = 1, high = 1;
  };
  Ends common_ends(const Report& written) const;

  // The rows that the most loaded rank computed in its worst layer of any step.
  std::int64_t most_rows() const { return most_rows_; }

 private:
  void add_work(const StepAccount& account, double weight);
  void write_phases(Report& report) const;
  void write_time(const Deployment& deployment, Report& report) const;
  void write_waited_for(const hardware::Cluster& cluster, Report& report) const;
  Ends ends_of(std::size_t phase, const Report& report) const;
  std::array<DoubtReport, kFactors> doubts_of(const Report& report) const;
  void write_intervals(Report& report) const;

  // In picoseconds, weighted; whole numbers below 2^53 are exact.
  struct PhaseSum {
    double busy = 0, exposed = 0, waiting = 0;
  };
  // Of the work of all ranks, weighted.
  struct WorkSum {
    double time = 0, flops = 0, bytes = 0, low = 0, high = 0;
  };

  double steps_ = 0;  // weighted
  double ranks_ = 0;
  std::vector<double> step_times_us_, weights_;
  double output_ = 0;
  std::array<PhaseSum, kPhases> phases_{};    // sums over ranks and steps
  std::array<WorkSum, kPhases> work_{};       // computations
  std::array<WorkSum, kPhases> exchanged_{};  // exchanges, each alone
  double cores_ = 0;                          // of work_[Attention].time, in attention cores
  Ledger ledger_;
  double idle_ = 0;
  TimeAccount time_;
  std::vector<double> waited_for_;  // of each rank
  StepAccount account_;             // sums over steps
  std::int64_t most_rows_ = 0;
  std::array<double, kPhases> bytes_{};  // of exchanges, payload
};

}  // namespace moesim::workloads
