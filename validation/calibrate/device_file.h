// The files that a calibration leaves behind: a device over the family of one that ships, and
// clusters of it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "hardware/device.h"
#include "validation/calibrate/points_summary.h"
#include "validation/calibrate/power_fit.h"

namespace moesim::validation {

// The name of the device that ships for a card ("NVIDIA H100 80GB HBM3" -> "h100"); empty: none is
// known. A datasheet's variant (PCIe, NVL) is the caller's to look at.
std::string shipped_device_of(const std::string& card);

struct OwnDevice {
  std::string name;  // "my-h100"
  std::filesystem::path
      base;  // file, absolute, of the device whose datasheet and fits it takes over
  std::int64_t multiprocessors = 0;
  double memory_bytes = 0, l2_bytes = 0;  // of the card; 0: the base's
  std::optional<PowerFit> power = {};     // nothing: the base's
};

// YAML. Rates, links and the host's launch are the base's; multiprocessors, memory, L2, launch in a
// graph and the context are what was measured, where it was. `fitted` stands beside it.
std::string device_yaml(const OwnDevice& own, const hardware::Device& base,
                        const PointsSummary& points, const std::string& fitted);

// One node of `gpus` such devices, in a folder beside that of the devices.
std::string cluster_yaml(const std::string& device, const hardware::Device& base, int gpus);

}  // namespace moesim::validation
