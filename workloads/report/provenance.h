// Where the numbers that a scenario rests on come from.
#pragma once

#include <vector>

#include "hardware/device.h"
#include "workloads/scenario.h"

namespace moesim::workloads {

// The device's datasheet, the fitted models that its kernels and exchanges are priced by (with
// their hold-out errors, and whether they were carried over from another device), the model's
// shapes, and the routing.
std::vector<hardware::Provenance> provenance_of(const Scenario& scenario);

}  // namespace moesim::workloads
