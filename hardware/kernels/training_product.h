// A product of a layer in training, y[m, n] = x[m, k] w[n, k]^T, and its two gradients, each priced
// as a GEMM of its own shape:
//
//   input    [m, k] = dy w
//   weight   [n, k] += dy^T x, added to a sum of fp32: 6 n k bytes more (bf16: 2), which nothing
//            hides. So are grouped products on B200 within 15 % (21 % where k is 1,536), DeepGEMM's
//            from 2,048 tokens within 11 %, with no constant fitted (SimuMax@4dcaae5; DeepGEMM#74,
//            #95, #107)
//
// Below 16 bits a GEMM's price holds the cast of its input by rows, unless that comes cast; casts
// by columns, which the weight's gradient reads, are the caller's.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "hardware/kernels/kernels.h"

namespace moesim::hardware {

enum class ProductPass { Forward, Input, Weight };
// As tables have them.
inline constexpr std::array<std::string_view, 3> kProductPassNames{"forward", "dgrad", "wgrad"};

struct TrainingProduct {
  std::int64_t m = 0, n = 0, k = 0;  // above 0, those of the forward product
  Precision precision = Precision::BF16;
  double accumulate_bytes = 4;  // of the weight's gradient; 0: it is written, and not added
  // What comes in the product's 8 bits: its input, its result's gradient, all that the weight's
  // gradient reads.
  bool x_cast = false, dy_cast = false, weight_cast = false;
};

KernelCost product_forward(const Kernels& kernels, const TrainingProduct& product,
                           DeviceShare share = {});
KernelCost product_input(const Kernels& kernels, const TrainingProduct& product,
                         DeviceShare share = {});
// Without the sum that it is added to.
KernelCost product_weight(const Kernels& kernels, const TrainingProduct& product,
                          DeviceShare share = {});
// The sum is read and written where the product alone would be written: no launch of its own.
KernelCost product_sum(const Kernels& kernels, const TrainingProduct& product,
                       DeviceShare share = {});
// Its bytes: those beyond what the product alone writes.
double sum_bytes(const TrainingProduct& product);

}  // namespace moesim::hardware
