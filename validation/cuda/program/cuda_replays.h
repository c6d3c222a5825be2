// A stream of a GPU with the operations that are timed on it.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>

#include "validation/cuda/program/nvml.h"
#include "validation/cuda/protocol/replay.h"

namespace moesim::validation::cuda {

class CudaReplays : public ReplayQueue {
 public:
  // `enqueue` queues all sets once on the stream.
  CudaReplays(cudaStream_t stream, const Nvml& nvml, std::function<void()> enqueue);
  ~CudaReplays() override;
  CudaReplays(const CudaReplays&) = delete;
  CudaReplays& operator=(const CudaReplays&) = delete;

  bool capture(int times) override;
  void launch() override;
  void mark_begin() override;
  void mark_end() override;
  double between_marks() override;
  bool busy() override;
  void wait() override;
  Health read_health() override { return nvml_.read(); }
  void rest(double seconds) override;
  double now() override;

 private:
  cudaStream_t stream_;
  const Nvml& nvml_;
  std::function<void()> enqueue_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace moesim::validation::cuda
