// The kernels of one device, made once for each choice: whoever plays many deployments on it shares
// them, and the times that they have found (rising_model.h). From any thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "hardware/kernels/kernels.h"

namespace moesim::hardware {

class KernelPool {
 public:
  explicit KernelPool(Device device) : device_(std::move(device)) {}

  // Throws as the constructor of Kernels does.
  std::shared_ptr<const Kernels> of(const KernelChoice& choice);

 private:
  Device device_;
  std::mutex mutex_;
  std::map<std::array<std::string, 3>, std::shared_ptr<const Kernels>> known_;
};

}  // namespace moesim::hardware
