#include "validation/cuda/protocol/availability.h"

namespace moesim::validation::cuda {
namespace {

// Of cudaError_t, which is not here where there is no toolkit.
constexpr int kInsufficientDriver = 35, kNoDevice = 100;

}  // namespace

std::string cuda_version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Availability judge(const GpuAnswer& a) {
  if (a.error == kNoDevice || (a.error == 0 && a.count == 0)) {
    return {GpuIs::None, "no CUDA device"};
  }
  if (a.error == kInsufficientDriver) {
    if (a.driver == 0) return {GpuIs::None, "no NVIDIA driver"};
    // Drivers take every run time of their own major version (minor-version compatibility).
    return {GpuIs::Unusable, "its driver takes CUDA " + cuda_version_text(a.driver) +
                                 " at most, and this program needs a driver that takes CUDA " +
                                 std::to_string(a.runtime / 1000) +
                                 ".0: a newer driver, or "
                                 "this program built with a toolkit of CUDA " +
                                 std::to_string(a.driver / 1000)};
  }
  if (a.error != 0) return {GpuIs::Unusable, a.error_text};
  if (a.major < 8) {
    return {GpuIs::Unusable, a.name + " has compute capability " + std::to_string(a.major) + "." +
                                 std::to_string(a.minor) + ", and 8.0 is needed"};
  }
  return {};
}

}  // namespace moesim::validation::cuda
