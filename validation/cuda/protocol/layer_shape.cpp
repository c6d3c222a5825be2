#include "validation/cuda/protocol/layer_shape.h"

namespace moesim::validation::cuda {

std::size_t layer_bytes(const LayerShape& s) {
  const auto size = [](int x) { return static_cast<std::size_t>(x); };
  const std::size_t tokens = size(s.tokens), rows = size(s.rows());
  const std::size_t hidden = size(s.hidden), inter = size(s.inter);
  std::size_t bytes = tokens * size(s.rule.experts) * 4 + tokens * hidden * 4 +
                      rows * (2 * hidden + 3 * inter) * 2 + rows * 16;
  if (s.fp8) bytes += rows * (hidden + inter) + rows * (hidden + inter) / 128 * 4;
  return bytes;
}

}  // namespace moesim::validation::cuda
