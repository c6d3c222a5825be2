// Whether there is a GPU that can be measured: none at all is another matter than one whose driver
// is too old.
#pragma once

#include <string>

namespace moesim::validation::cuda {

enum class GpuIs { Usable, None, Unusable };

struct Availability {
  GpuIs gpu = GpuIs::Usable;
  std::string why;  // it is not usable, and what would do
};

// What the run time and the driver answered.
struct GpuAnswer {
  int error = 0;           // of cudaGetDeviceCount
  std::string error_text;  // cudaGetErrorString
  int count = 0;
  int driver = 0, runtime = 0;  // newest CUDA that the driver takes, 12040 of 12.4 (0: no driver)
  std::string name;             // of the first GPU, and its compute capability
  int major = 0, minor = 0;
};

Availability judge(const GpuAnswer& answer);

// 12040 -> "12.4"
std::string cuda_version_text(int version);

}  // namespace moesim::validation::cuda
