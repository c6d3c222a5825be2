// How a step uses a card: what of its power follows from (hardware/power.h).
#pragma once

#include <array>

#include "hardware/device.h"
#include "hardware/power.h"
#include "workloads/model/formats.h"
#include "workloads/step/phases.h"

namespace moesim::workloads {

// Of all ranks, in so many seconds.
struct PhaseWork {
  std::array<double, kPhases> flops{}, bytes{};
};

// Of the mean card, while it runs steps. Arithmetic counts by the peak of the format that the
// phase's weights are multiplied in: experts', dense parts', attention's, else bf16.
// REQUIRES: gpus and seconds above 0
hardware::PowerUse power_use(const PhaseWork& work, double gpus, double seconds,
                             const hardware::Device& device, const Formats& formats);

}  // namespace moesim::workloads
