// NVIDIA's own matrix products as yardsticks, opened at run time: cuBLASLt once for each group, and
// cublasGemmGroupedBatchedEx.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <optional>
#include <string>

#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

class Cublas {
 public:
  Cublas();
  ~Cublas();

  std::optional<Unsupported> cannot(Library library) const;
  // Queues it on the stream. The first time with these operands it may not be under capture.
  void run(const LibraryGemm& gemm, cudaStream_t stream);
  std::string version() const;  // of cuBLASLt, "absent" where there is none
  // Device memory that a handle takes, by cudaMemGetInfo.
  std::optional<double> handle_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moesim::validation::cuda
