// The memory of a scenario's step on its fullest GPU.
#pragma once

#include <cstdint>

#include "workloads/report/report.h"
#include "workloads/scenario.h"

namespace moesim::workloads {

// `expert_rows`: what the most loaded rank received in its worst layer; 0 without experts.
MemoryReport memory_of(const Scenario& scenario, std::int64_t expert_rows);

}  // namespace moesim::workloads
