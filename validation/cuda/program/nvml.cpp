#include "validation/cuda/program/nvml.h"

namespace moesim::validation::cuda {
namespace {

// Of nvml.h, which is not everywhere where the library is: functions return 0 for success.
using Device = void*;
using Init = int();
using Text = int(char*, unsigned);
using ByBus = int(const char*, Device*);
using Number = int(Device, unsigned*);
using NumberOf = int(Device, int, unsigned*);
using Mask = int(Device, unsigned long long*);
struct MemoryInfo {
  unsigned long long total, free, used;
};
using Memory = int(Device, MemoryInfo*);

constexpr int kClockSm = 1, kClockMemory = 2, kTemperatureGpu = 0;

}  // namespace

Nvml::Nvml() : library_({"libnvidia-ml.so.1", "libnvidia-ml.so"}, {}) {
  const auto init = library_.find<Init>("nvmlInit_v2");
  ready_ = init != nullptr && init() == 0;
}

Nvml::~Nvml() {
  const auto shutdown = library_.find<Init>("nvmlShutdown");
  if (ready_ && shutdown != nullptr) shutdown();
}

void Nvml::select(const std::string& bus_id) {
  const auto find = library_.find<ByBus>("nvmlDeviceGetHandleByPciBusId_v2");
  if (!ready_ || find == nullptr || find(bus_id.c_str(), &device_) != 0) device_ = nullptr;
}

Health Nvml::read() const {
  Health health;
  if (device_ == nullptr) return health;
  const auto clock = library_.find<NumberOf>("nvmlDeviceGetClockInfo");
  const auto temperature = library_.find<NumberOf>("nvmlDeviceGetTemperature");
  const auto power = library_.find<Number>("nvmlDeviceGetPowerUsage");
  auto reasons = library_.find<Mask>("nvmlDeviceGetCurrentClocksEventReasons");
  if (reasons == nullptr)
    reasons = library_.find<Mask>("nvmlDeviceGetCurrentClocksThrottleReasons");
  unsigned value = 0;
  if (clock != nullptr && clock(device_, kClockSm, &value) == 0) health.sm_mhz = value;
  if (clock != nullptr && clock(device_, kClockMemory, &value) == 0) health.memory_mhz = value;
  if (power != nullptr && power(device_, &value) == 0) health.watts = value / 1000.0;
  if (temperature != nullptr && temperature(device_, kTemperatureGpu, &value) == 0) {
    health.celsius = value;
  }
  unsigned long long mask = 0;
  if (reasons != nullptr && reasons(device_, &mask) == 0) health.throttle = mask;
  return health;
}

std::optional<double> Nvml::used_bytes() const {
  const auto memory = library_.find<Memory>("nvmlDeviceGetMemoryInfo");
  MemoryInfo info{};
  if (device_ == nullptr || memory == nullptr || memory(device_, &info) != 0) return std::nullopt;
  return static_cast<double>(info.used);
}

std::optional<std::string> Nvml::driver_version() const {
  const auto version = library_.find<Text>("nvmlSystemGetDriverVersion");
  char text[96] = {};
  if (!ready_ || version == nullptr || version(text, sizeof text) != 0) return std::nullopt;
  return std::string(text);
}

}  // namespace moesim::validation::cuda
