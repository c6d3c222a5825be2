// How a run of a service ends for whoever called it.
#pragma once

#include <iosfwd>

#include "sim/error.h"
#include "workloads/serving/serving_report.h"

namespace moesim::tools {

// 5 where it was broken off, or where the iterations that were played again differ by more than 1 %
// on average (workloads/serving/service.h): `err` says which, and what would do. Else 0.
sim::ExitCode exit_of(const workloads::serving::ServingReport& report, std::ostream& err);

}  // namespace moesim::tools
