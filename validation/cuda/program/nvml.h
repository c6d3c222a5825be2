// Clocks, power and temperature, read (never set) through libnvidia-ml where it is there.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "validation/cuda/program/shared_library.h"
#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

class Nvml {
 public:
  Nvml();
  ~Nvml();
  // By bus id ("0000:1B:00.0"); before that nothing can be read.
  void select(const std::string& bus_id);
  Health read() const;
  std::optional<double> used_bytes() const;
  std::optional<std::string> driver_version() const;

 private:
  SharedLibrary library_;
  bool ready_ = false;
  void* device_ = nullptr;
};

}  // namespace moesim::validation::cuda
