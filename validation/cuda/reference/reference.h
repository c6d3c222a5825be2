// What each kernel should give, plainly and in double precision.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "validation/cuda/kernels/arguments.h"
#include "validation/cuda/protocol/layer_shape.h"

namespace moesim::validation::cuda {

// ‖out - reference‖ / ‖reference‖ over all values added.
class RelativeError {
 public:
  void add(double out, double reference) {
    difference_ += (out - reference) * (out - reference);
    norm_ += reference * reference;
    ++count_;
  }
  // NaN where a value was NaN (an output that nobody wrote), so that no bound holds.
  double value() const;
  std::int64_t count() const { return count_; }

 private:
  double difference_ = 0, norm_ = 0;
  std::int64_t count_ = 0;
};

struct Chosen {
  std::vector<int> ids;
  std::vector<double> weights;
  std::vector<double> choice;  // score + bias of every expert; -inf outside the best groups
  std::vector<double> score;   // of every expert, before any bias
};

// Of one token. `bias` may be empty.
Chosen reference_router(const RouterRule& rule, std::span<const float> logits,
                        std::span<const float> bias);

// The weights of any choice of experts: their own scores, which a bias does not touch.
std::vector<double> reference_weights(const RouterRule& rule, std::span<const double> score,
                                      std::span<const int> ids);

struct Sorted {
  std::vector<int> offsets, row_of, token_of;
};
Sorted reference_sort(std::span<const int> ids, int top_k, int first, int experts);

double reference_swiglu(double gate, double up);
double reference_dot(std::span<const Bf16> a, std::span<const Bf16> b);

struct Quantised {
  std::vector<Fp8> codes;     // [rows, stride]
  std::vector<float> scales;  // [blocks][rows]
};
// 1 x 128 blocks, as quantise.cuh.
Quantised reference_quantise(std::span<const Bf16> rows, int row_count, int k, int k_stride);

// Attention of one query head: softmax(q K^T / sqrt(128)) V.
std::vector<double> reference_attention(std::span<const Bf16> query, std::span<const Bf16> keys,
                                        std::span<const Bf16> values);

// Random values by hash (hash_normal), rounded to bf16; the same on every machine.
std::vector<Bf16> random_bf16(std::uint64_t seed, std::size_t count, double scale = 1);
std::vector<float> random_float(std::uint64_t seed, std::size_t count, double scale = 1);

}  // namespace moesim::validation::cuda
