// `kernels:` of a scenario and of an engine's file: whose implementation does what, by name.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "hardware/kernels/kernels.h"
#include "sim/io/yaml_reader.h"

namespace moesim::workloads {

// Empty: not said.
struct KernelNames {
  hardware::KernelChoice kernels = {};
  std::string all_reduce = {};  // of hardware::all_reduce_names()
  std::string all_to_all = {};  // of all_to_all_names()
};

// One of the names, or Megatron-Core's for one: allgather, hybridep.
std::string_view read_exchange(const sim::io::YamlNode& node,
                               std::span<const std::string_view> names);

// What a scenario of training names for experts and attention: experts are a product each, as
// Transformer Engine has them, and cores those of `training.attention`. Notes what is neither.
void read_training_kernels(const sim::io::YamlNode& node, KernelNames& names);

// Reads the keys that are there over what `names` holds.
void read_kernels(const sim::io::YamlNode& node, KernelNames& names);

// An engine's: names for every device, and under `on` those that are others on devices of a
// generation, {gemm: sglang, moe: sglang, on: {blackwell: {moe: trtllm}}}.
class EngineKernels {
 public:
  // What is named on devices of that generation.
  KernelNames on(const std::string& generation) const;
  static EngineKernels read(const sim::io::YamlNode& node);

 private:
  KernelNames all_;
  std::map<std::string, KernelNames> on_;
};

}  // namespace moesim::workloads
