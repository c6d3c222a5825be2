// An inference engine by its numbers: whose kernels it runs and what its host costs.
// configs/engines/*.yaml, `engine:` of a scenario.
//
//   name: SGLang, scheduler not overlapped
//   kernels: {gemm: sglang, moe: sglang, attention: sglang}      # optional: defaults of `kernels:`
//   host: {per_step: 6.7 ms, per_launch: 5 us, overlapped: false, graphs: decode}
//   source: what was read, where, when
#pragma once

#include <filesystem>
#include <string>

#include "workloads/deployment/host.h"
#include "workloads/deployment/read_kernels.h"

namespace moesim::workloads {

struct Engine {
  std::string name, source;
  KernelNames kernels = {};
  Host host = {};
};

// Throws ConfigError that lists every mistake of the file, InputError where it cannot be read.
Engine load_engine(const std::filesystem::path& file);

}  // namespace moesim::workloads
