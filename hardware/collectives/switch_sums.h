// Whether the switch of a node can add up what passes through it (NVLS, NVLink SHARP).
#pragma once

#include "hardware/device.h"

namespace moesim::hardware {

// NVSwitch does so from its third generation on, with NVLink 4 and later: Hopper and what came
// after it (NVIDIA H100 architecture white paper, "NVLink Switch"; A100's adds up nothing). A
// device whose links are PCI Express's has no such switch, whatever its generation. One without a
// generation is taken for Hopper, as the collectives' defaults are (default_fit.cpp).
bool sums_in_switch(const Device& device);

// Whether a device's links are PCI Express's, which meet in its node's host.
bool links_through_host(const Device& device);

}  // namespace moesim::hardware
