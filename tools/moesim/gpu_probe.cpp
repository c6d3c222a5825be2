#include "tools/moesim/gpu_probe.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string_view>

namespace moesim::tools {
namespace {

struct CloseLibrary {
  void operator()(void* library) const { dlclose(library); }
};
using Library = std::unique_ptr<void, CloseLibrary>;

template <typename Function>
Function* find(const Library& library, const char* name) {
  return reinterpret_cast<Function*>(dlsym(library.get(), name));
}

// The driver's own types are int and size_t; its header is not needed.
void probe_cuda(GpuProbe& probe) {
  const Library library(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL));
  if (!library) {
    probe.why_none = "no NVIDIA driver (libcuda.so.1 is not found)";
    return;
  }
  const auto init = find<int(unsigned)>(library, "cuInit");
  const auto version = find<int(int*)>(library, "cuDriverGetVersion");
  const auto count = find<int(int*)>(library, "cuDeviceGetCount");
  const auto get = find<int(int*, int)>(library, "cuDeviceGet");
  const auto name = find<int(char*, int, int)>(library, "cuDeviceGetName");
  const auto memory = find<int(std::size_t*, int)>(library, "cuDeviceTotalMem_v2");
  const auto attribute = find<int(int*, int, int)>(library, "cuDeviceGetAttribute");
  if (!init || !version || !count || !get || !name || !memory || !attribute) {
    probe.why_none = "libcuda.so.1 is not a CUDA driver";
    return;
  }
  int number = 0;
  if (version(&number) == 0) probe.cuda = fmt::format("{}.{}", number / 1000, number % 1000 / 10);
  if (const int error = init(0); error != 0) {
    probe.why_none = fmt::format("the driver does not start (cuInit gives {})", error);
    return;
  }
  int gpus = 0;
  if (count(&gpus) != 0 || gpus == 0) {
    probe.why_none = "the driver sees no GPU";
    return;
  }
  for (int i = 0; i < gpus; ++i) {
    int device = 0;
    if (get(&device, i) != 0) continue;
    Gpu gpu;
    std::array<char, 128> text{};
    if (name(text.data(), static_cast<int>(text.size()) - 1, device) == 0) gpu.name = text.data();
    std::size_t bytes = 0;
    if (memory(&bytes, device) == 0) gpu.memory_bytes = static_cast<std::int64_t>(bytes);
    int major = 0, minor = 0;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR is 75, MINOR 76
    if (attribute(&major, 75, device) == 0 && attribute(&minor, 76, device) == 0) {
      gpu.capability = fmt::format("{}.{}", major, minor);
    }
    probe.gpus.push_back(gpu);
  }
}

void probe_driver(GpuProbe& probe) {
  const Library library(dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL));
  if (!library) return;
  const auto init = find<int()>(library, "nvmlInit_v2");
  const auto version = find<int(char*, unsigned)>(library, "nvmlSystemGetDriverVersion");
  const auto shutdown = find<int()>(library, "nvmlShutdown");
  if (!init || !version || !shutdown || init() != 0) return;
  std::array<char, 96> text{};
  if (version(text.data(), static_cast<unsigned>(text.size()) - 1) == 0) probe.driver = text.data();
  shutdown();
}

void probe_toolkit(GpuProbe& probe) {
  const char* const found = std::getenv("PATH");
  std::string path = found == nullptr ? "" : found;
  path += ":/usr/local/cuda/bin";
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::filesystem::path nvcc = std::filesystem::path(rest.substr(0, end)) / "nvcc";
    if (end > 0 && access(nvcc.c_str(), X_OK) == 0) {
      probe.toolkit = nvcc.string();
      return;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

}  // namespace

bool has_cublaslt() {
  const char* folder = std::getenv("MOESIM_CUBLAS_DIR");
  // Opening it would read half a gigabyte: in folders the file is looked for, and nothing else.
  for (const std::string& place :
       {std::string(folder == nullptr ? "" : folder), std::string("/usr/local/cuda/lib64")}) {
    for (const char* name : {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"}) {
      if (!place.empty() && access((place + "/" + name).c_str(), R_OK) == 0) return true;
    }
  }
  return Library(dlopen("libcublasLt.so.13", RTLD_LAZY | RTLD_LOCAL)) ||
         Library(dlopen("libcublasLt.so.12", RTLD_LAZY | RTLD_LOCAL));
}

GpuProbe probe_gpus() {
  GpuProbe probe;
  probe_cuda(probe);
  probe_driver(probe);
  probe_toolkit(probe);
  return probe;
}

}  // namespace moesim::tools
