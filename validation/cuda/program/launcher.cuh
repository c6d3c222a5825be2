// Launches kernels on a stream, with the interface that the emulator has too.
#pragma once

#include <cuda_runtime.h>

#include "validation/cuda/device/tensor_map.h"
#include "validation/cuda/program/cuda_check.h"
#include "validation/cuda/program/tensor_maps.h"

namespace moesim::validation::cuda {

class CudaLauncher {
 public:
  CudaLauncher(cudaStream_t stream, int multiprocessors)
      : stream_(stream), multiprocessors_(multiprocessors) {}

  template <class... Parameters, class... Arguments>
  void launch(void (*kernel)(Parameters...), int grid, int block, std::size_t shared_bytes,
              const Arguments&... arguments) {
    allow_shared(reinterpret_cast<const void*>(kernel), shared_bytes);
    kernel<<<static_cast<unsigned>(grid), static_cast<unsigned>(block), shared_bytes, stream_>>>(
        arguments...);
    check_cuda(cudaGetLastError(), "launch of a kernel");
  }

  // As many blocks as run at the same time, and no more than there can be tiles.
  template <class... Parameters>
  int persistent_grid(void (*kernel)(Parameters...), int threads, std::size_t shared_bytes,
                      long long most_tiles) const {
    allow_shared(reinterpret_cast<const void*>(kernel), shared_bytes);
    int blocks = 0;
    check_cuda(
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads, shared_bytes),
        "occupancy of a kernel");
    if (blocks == 0) throw MachineError("a kernel does not fit on a multiprocessor of this GPU");
    const long long most = static_cast<long long>(blocks) * multiprocessors_;
    return static_cast<int>(most_tiles < most ? most_tiles : most);
  }

  int multiprocessors() const { return multiprocessors_; }

  TensorMap tensor_map(const TensorShape& shape) const { return encode_tensor_map(shape); }

 private:
  // Beyond 48 KiB a kernel must be allowed its shared memory.
  static void allow_shared(const void* kernel, std::size_t bytes) {
    if (bytes <= std::size_t{48} << 10) return;
    check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(bytes)),
               "shared memory of a kernel");
  }

  cudaStream_t stream_;
  int multiprocessors_;
};

}  // namespace moesim::validation::cuda
