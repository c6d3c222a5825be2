// `kernels:` of a scenario and of an engine's file: whose implementation does what, by name.
#pragma once

#include <string>

#include "hardware/kernels/kernels.h"
#include "sim/io/yaml_reader.h"

namespace moesim::workloads {

// Empty: not said.
struct KernelNames {
  hardware::KernelChoice kernels = {};
  std::string all_reduce = {};  // of hardware::all_reduce_names()
  std::string all_to_all = {};  // of hardware::multicast_names()
};

// Reads the keys that are there over what `names` holds.
void read_kernels(const sim::io::YamlNode& node, KernelNames& names);

}  // namespace moesim::workloads
