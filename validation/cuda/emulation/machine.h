// The emulator as a machine: host memory, kernels run on the CPU, no times worth the name.
#pragma once

#include "validation/cuda/emulation/emulator.h"
#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda::emulation {

class EmulatedMachine : public Machine {
 public:
  explicit EmulatedMachine(const Options& options = {});

  const MachineInfo& info() const override { return info_; }
  void* allocate(std::size_t bytes) override;
  void release(void* memory) noexcept override;
  void* allocate_pinned(std::size_t bytes) override { return allocate(bytes); }
  void release_pinned(void* memory) noexcept override { release(memory); }
  void upload(void* to, const void* from, std::size_t bytes) override;
  void download(void* to, const void* from, std::size_t bytes) override;
  void set_bytes(void* to, int value, std::size_t bytes) override;
  std::size_t free_memory() override { return std::size_t{1} << 30; }
  bool usable() override { return true; }
  std::optional<Unsupported> cannot(const Operation& operation) const override;
  void run(const Operation& operation) override;
  // Runs each set once; every time is 1 us.
  Timing time(std::span<const Operations> sets, const TimingRequest& request) override;
  Health health() override { return {}; }
  std::variant<Timing, Unsupported> between_gpus(const std::string&, int, double,
                                                 const TimingRequest&) override {
    return Unsupported{"the emulator is one machine"};
  }
  std::optional<double> footprint(const std::string&, double) override { return std::nullopt; }

 private:
  Options options_;
  MachineInfo info_;
};

}  // namespace moesim::validation::cuda::emulation
