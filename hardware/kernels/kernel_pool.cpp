#include "hardware/kernels/kernel_pool.h"

namespace moesim::hardware {

std::shared_ptr<const Kernels> KernelPool::of(const KernelChoice& choice) {
  const std::lock_guard lock(mutex_);
  auto& kernels = known_[{choice.gemm, choice.moe, choice.attention}];
  if (!kernels) kernels = std::make_shared<const Kernels>(device_, choice);
  return kernels;
}

}  // namespace moesim::hardware
