// A mixture layer on one machine: its memory, and the operations from logits to output.
#pragma once

#include "validation/cuda/protocol/layer_shape.h"
#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

// Weights of the experts: [experts, 2 inter, hidden] and [experts, hidden, inter], in bf16, or in
// fp8 with their scales (rows then padded to a multiple of 16).
class LayerWeights {
 public:
  // Filled with random values of variance 1 / k.
  LayerWeights(Machine& machine, const LayerShape& shape, std::uint64_t seed);
  std::size_t bytes() const;

  Buffer<Bf16> gate_up, down;  // empty (one value) in fp8
  Buffer<Fp8> gate_up_codes, down_codes;
  Buffer<float> gate_up_scales, down_scales;
};

class Layer {
 public:
  Layer(Machine& machine, const LayerShape& shape, std::uint64_t seed);

  // router, sort, permute, (quantise,) GEMM, SwiGLU, (quantise,) GEMM, unpermute
  Operations operations(const LayerWeights& weights) const;
  void poison();  // everything that the operations write
  // Device memory of the activations and work space. The weights are apart.
  std::size_t bytes() const;

  LayerShape shape;
  Buffer<float> logits;
  Buffer<Bf16> input;  // [tokens, hidden]
  Buffer<int> ids;
  Buffer<float> gate;  // [tokens, top_k]
  Buffer<int> chunk_counts, offsets, row_of, token_of;
  Buffer<Bf16> permuted, gate_up, activated, down, output;
  Buffer<Fp8> permuted_codes, activated_codes;
  Buffer<float> permuted_scales, activated_scales;
};

}  // namespace moesim::validation::cuda
