// Launches kernels in the emulator, with the interface that launches use on a GPU.
#pragma once

#include "validation/cuda/device/tensor_map.h"
#include "validation/cuda/emulation/emulator.h"

namespace moesim::validation::cuda::emulation {

class Launcher {
 public:
  // `multiprocessors`: blocks of a persistent grid; few, so that each has several tiles.
  explicit Launcher(const Options& options, int multiprocessors = 3)
      : options_(options), multiprocessors_(multiprocessors) {}

  template <class Kernel, class... Arguments>
  void launch(Kernel kernel, int grid, int block, std::size_t shared_bytes,
              const Arguments&... arguments) {
    emulation::launch(grid, block, shared_bytes, options_, [&] { kernel(arguments...); });
  }

  template <class Kernel>
  int persistent_grid(Kernel, int /*threads*/, std::size_t /*shared*/, long long most_tiles) const {
    return most_tiles < multiprocessors_ ? static_cast<int>(most_tiles) : multiprocessors_;
  }

  int multiprocessors() const { return multiprocessors_; }

  TensorMap tensor_map(const TensorShape& shape) const { return {shape}; }

 private:
  Options options_;
  int multiprocessors_;
};

}  // namespace moesim::validation::cuda::emulation
