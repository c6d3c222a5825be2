// Which GPUs this machine has, as far as NVIDIA's driver says. The driver is looked for while the
// program runs: nothing of it is linked, and none is fine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace moesim::tools {

struct Gpu {
  std::string name;        // "NVIDIA H100 80GB HBM3"
  std::string capability;  // "9.0"
  std::int64_t memory_bytes = 0;
};

struct GpuProbe {
  std::optional<std::string> driver;  // "580.65.06"
  std::optional<std::string> cuda;    // the newest CUDA that the driver takes: "13.0"
  std::vector<Gpu> gpus;
  std::string why_none;                // why `gpus` is empty
  std::optional<std::string> toolkit;  // the path of nvcc
};

GpuProbe probe_gpus();

// Whether libcublasLt is where moesim-gpu looks for it.
bool has_cublaslt();

}  // namespace moesim::tools
