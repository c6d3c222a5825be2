// Whose numbers a step rests on, and how far each part of it lies outside what was measured.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "workloads/deployment/deployment.h"
#include "workloads/report/report.h"
#include "workloads/step/phases.h"
#include "workloads/step/work.h"

namespace moesim::workloads {

// Adds up which cost model priced how much of each phase: recorded where the models were chosen.
class Ledger {
 public:
  // The models outlive the ledger's write().
  void add(std::size_t phase, std::span<const PricedTime> priced, double weight);

  // `exposed_us`: what of the step each phase is; a model has the part of it that it has of the
  // phase's work. Writes extrapolated, stand_ins, carried_over and the provenance of the models.
  // REQUIRES: report.phases and report.step_time_us are written
  void write(const Deployment& deployment, Report& report) const;

 private:
  struct Entry {
    const hardware::ModelUse* use;
    std::uint32_t outside;
    double time;  // ps, of all ranks, weighted
  };
  std::array<std::vector<Entry>, kPhases> entries_;  // in the order they came
};

}  // namespace moesim::workloads
