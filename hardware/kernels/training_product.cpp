#include "hardware/kernels/training_product.h"

#include <cmath>

namespace moesim::hardware {
namespace {

constexpr double kElement = 2;  // bytes of a result in 16 bits

KernelCost gemm(const Kernels& kernels, std::int64_t rows, std::int64_t columns, std::int64_t depth,
                Precision precision, bool cast, DeviceShare share) {
  return kernels.gemm(
      {.m = rows, .n = columns, .k = depth, .precision = precision, .quantised = cast}, share);
}

}  // namespace

KernelCost product_forward(const Kernels& kernels, const TrainingProduct& p, DeviceShare share) {
  return gemm(kernels, p.m, p.n, p.k, p.precision, p.x_cast, share);
}

KernelCost product_input(const Kernels& kernels, const TrainingProduct& p, DeviceShare share) {
  return gemm(kernels, p.m, p.k, p.n, p.precision, p.dy_cast, share);
}

KernelCost product_weight(const Kernels& kernels, const TrainingProduct& p, DeviceShare share) {
  return gemm(kernels, p.n, p.k, p.m, p.precision, p.weight_cast, share);
}

double sum_bytes(const TrainingProduct& p) {
  if (p.accumulate_bytes == 0) return 0;
  return (2 * p.accumulate_bytes - kElement) * static_cast<double>(p.n * p.k);
}

KernelCost product_sum(const Kernels& kernels, const TrainingProduct& p, DeviceShare share) {
  return kernels.elementwise({.bytes = sim::Bytes(std::llround(sum_bytes(p))), .launches = 0},
                             share);
}

}  // namespace moesim::hardware
