// How large a mixture layer is, and the memory that follows.
#pragma once

#include <cstddef>

namespace moesim::validation::cuda {

// A router's settings; the meaning of the fields is RouterArgs'.
struct RouterRule {
  int experts = 0, top_k = 0;
  bool sigmoid = false;
  int groups = 1, top_groups = 1;
  bool normalise = true;
  double scale = 1;
};

struct LayerShape {
  RouterRule rule;
  int tokens = 0, hidden = 0, inter = 0;
  bool fp8 = false;
  bool wgmma = false;  // bf16 only: which of our kernels

  int rows() const { return tokens * rule.top_k; }
};

// Device memory of a layer's activations and work space, weights apart, as a plan of memory counts
// it: logits in float; input and output; a permuted row, gate and up, activation and result in
// bf16; id, weight, row and token of each selection; in fp8 also the codes and their scales.
std::size_t layer_bytes(const LayerShape& shape);

}  // namespace moesim::validation::cuda
