// How evenly the experts and ranks of mixture layers were loaded, as a report tells it.
#pragma once

#include <vector>

#include "workloads/report/report.h"
#include "workloads/step/step_account.h"

namespace moesim::workloads {

// Writes layers, expert_load and rank_max_over_mean: of each layer over what was added up, of all
// layers the mean of their ratios.
void write_loads(const std::vector<LayerLoad>& loads, Report& report);

}  // namespace moesim::workloads
