// A GPU as a machine: one stream, plain allocations, graphs, events. No setting of the card is
// touched.
#pragma once

#include <cuda_runtime_api.h>

#include "validation/cuda/program/cublas.h"
#include "validation/cuda/program/nvml.h"
#include "validation/cuda/protocol/availability.h"
#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

Availability look_for_gpu();

class CudaMachine : public Machine {
 public:
  explicit CudaMachine(int device = 0);
  ~CudaMachine() override;

  const MachineInfo& info() const override { return info_; }
  void* allocate(std::size_t bytes) override;
  void release(void* memory) noexcept override;
  void* allocate_pinned(std::size_t bytes) override;
  void release_pinned(void* memory) noexcept override;
  void upload(void* to, const void* from, std::size_t bytes) override;
  void download(void* to, const void* from, std::size_t bytes) override;
  void set_bytes(void* to, int value, std::size_t bytes) override;
  std::size_t free_memory() override;
  bool usable() override;
  std::optional<Unsupported> cannot(const Operation& operation) const override;
  void run(const Operation& operation) override;
  Timing time(std::span<const Operations> sets, const TimingRequest& request) override;
  Health health() override { return health_; }  // as read during the last timing
  std::variant<Timing, Unsupported> between_gpus(const std::string& what, int gpus, double bytes,
                                                 const TimingRequest& request) override;
  std::optional<double> footprint(const std::string& what, double size) override;

 private:
  void enqueue(const Operation& operation);
  void enqueue_all(std::span<const Operations> sets);
  void wait();
  Timing time_named(std::span<const Operations> sets, const TimingRequest& request);

  MachineInfo info_;
  bool hopper_ = false;
  Nvml nvml_;
  std::optional<double> context_bytes_;
  cudaStream_t stream_ = nullptr;
  Cublas cublas_;
  Health health_;
};

}  // namespace moesim::validation::cuda
