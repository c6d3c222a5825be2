// Devices for tests: the ones that ship, and text as a device file.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "hardware/device.h"

namespace moesim::hardware {

inline Device shipped(const std::string& name) {
  return load_device("configs/devices/" + name + ".yaml");
}

// A folder of its own that goes away again.
class DeviceFolder {
 public:
  explicit DeviceFolder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / ("moesim-" + name)) {
    std::filesystem::create_directories(path_);
  }
  ~DeviceFolder() { std::filesystem::remove_all(path_); }
  DeviceFolder(const DeviceFolder&) = delete;
  DeviceFolder& operator=(const DeviceFolder&) = delete;
  std::filesystem::path write(const std::string& file, const std::string& text) const {
    std::ofstream(path_ / file) << text;
    return path_ / file;
  }

 private:
  std::filesystem::path path_;
};

inline std::string device_text(const std::string& extra = "") {
  return "name: test\n"
         "generation: hopper\n"
         "multiprocessors: 10\n"
         "peak: {bf16: 100 TFLOP/s}\n"
         "memory: {capacity: 80 GB, bandwidth: 1 TB/s, l2: 50 MiB}\n"
         "launch: {graph: 2 us, host: 5 us}\n"
         "allocator: {context: 500 MiB, granularity: 2 MiB}\n"
         "source: a test\n" +
         extra;
}

}  // namespace moesim::hardware
