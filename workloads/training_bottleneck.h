// What bounds a step of training: the mean pipeline rank's phases by what limits them.
#pragma once

#include <array>
#include <vector>

#include "workloads/report/report.h"
#include "workloads/training/training_report.h"

namespace moesim::workloads {

// Of each phase's computations, what is bound by what, in hardware::Bound's order; any unit.
using PhaseBounds = std::array<std::array<double, 3>, kPhases>;

// Largest first; their times add up to the report's phases and idle time. What computes is divided
// as its kernels are bound, what is exchanged into waiting for ranks that came later and the rest;
// the optimizer, and its barrier, stand for themselves.
// REQUIRES: phases, idle time and mean step of the report are written
std::vector<BottleneckReport> bottleneck_of(const Report& report, const TrainingReport& training,
                                            const PhaseBounds& bounds);

}  // namespace moesim::workloads
