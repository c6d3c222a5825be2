// Where the numbers that a step rests on come from.
#pragma once

#include <vector>

#include "hardware/device.h"
#include "workloads/deployment/deployment.h"
#include "workloads/step/batch.h"

namespace moesim::workloads {

// The device's datasheet, the fitted models that its kernels and exchanges are priced by (with
// their hold-out errors, and whether they were carried over from another device), the model's
// shapes, and the routing.
std::vector<hardware::Provenance> provenance_of(const Deployment& deployment, const Batch& batch);

}  // namespace moesim::workloads
