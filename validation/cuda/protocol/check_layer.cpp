#include <algorithm>
#include <cmath>

#include "validation/cuda/protocol/check_support.h"
#include "validation/cuda/protocol/layer.h"

namespace moesim::validation::cuda {

Check check_layer(Machine& machine, GemmKind kind, const LayerCase& c, std::uint64_t seed) {
  const bool fp8 = kind == GemmKind::Fp8;
  Check check{"layer " + name_of(kind) + " " + product({c.tokens, c.hidden, c.inter}) +
                  " experts " + std::to_string(c.rule.experts) + " top " +
                  std::to_string(c.rule.top_k),
              0,
              fp8 ? kFp8LayerBound : kLayerBound,
              0,
              "",
              ""};
  const LayerShape shape{c.rule, c.tokens, c.hidden, c.inter, fp8, kind == GemmKind::Wgmma};
  Layer layer(machine, shape, seed);
  const LayerWeights weights(machine, shape, seed + 100);
  for (const Operation& operation : layer.operations(weights)) {
    if (!attempt(machine, operation, check)) return check;
  }

  const std::vector<float> logits = layer.logits.read();
  const std::vector<Bf16> input = layer.input.read();
  // Weights as numbers, whatever they are stored in.
  const auto unpacked = [&](const Buffer<Bf16>& plain, const Buffer<Fp8>& codes,
                            const Buffer<float>& scales, int n, int k) {
    const std::size_t groups = at(c.rule.experts);
    std::vector<double> numbers;
    numbers.reserve(groups * at(n) * at(k));
    if (!fp8) {
      for (const Bf16 value : plain.read()) numbers.push_back(to_float(value));
      return numbers;
    }
    const std::vector<Fp8> code = codes.read();
    const std::vector<float> scale = scales.read();
    const std::size_t n_blocks = at(ceil_div(n, kScaleBlock)),
                      k_blocks = at(ceil_div(k, kScaleBlock));
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::size_t i = 0; i < at(n); ++i) {
        for (std::size_t x = 0; x < at(k); ++x) {
          numbers.push_back(
              to_float(code[(g * at(n) + i) * at(round_up(k, 16)) + x]) *
              double{scale[(g * n_blocks + i / kScaleBlock) * k_blocks + x / kScaleBlock]});
        }
      }
    }
    return numbers;
  };
  const std::vector<double> gate_up = unpacked(weights.gate_up, weights.gate_up_codes,
                                               weights.gate_up_scales, 2 * c.inter, c.hidden);
  const std::vector<double> down =
      unpacked(weights.down, weights.down_codes, weights.down_scales, c.hidden, c.inter);
  const std::vector<Bf16> result = layer.output.read();

  RelativeError error;
  const std::size_t inter = at(c.inter), hidden = at(c.hidden);
  const int step = std::max(1, c.tokens / 64);  // of a large layer some tokens
  for (int t = 0; t < c.tokens; t += step) {
    const Chosen chosen = reference_router(
        c.rule, std::span(logits).subspan(at(t) * at(c.rule.experts), at(c.rule.experts)), {});
    std::vector<double> out(hidden, 0.0);
    for (std::size_t s = 0; s < chosen.ids.size(); ++s) {
      const std::size_t expert = at(chosen.ids[s]);
      std::vector<double> middle(2 * inter, 0.0);
      for (std::size_t i = 0; i < 2 * inter; ++i) {
        for (std::size_t h = 0; h < hidden; ++h) {
          middle[i] +=
              to_float(input[at(t) * hidden + h]) * gate_up[(expert * 2 * inter + i) * hidden + h];
        }
      }
      for (std::size_t h = 0; h < hidden; ++h) {
        double sum = 0;
        for (std::size_t i = 0; i < inter; ++i) {
          sum += reference_swiglu(middle[i], middle[inter + i]) *
                 down[(expert * hidden + h) * inter + i];
        }
        out[h] += chosen.weights[s] * sum;
      }
    }
    for (std::size_t h = 0; h < hidden; ++h) {
      error.add(to_float(result[at(t) * hidden + h]), out[h]);
    }
  }
  check.error = error.value();
  check.compared = error.count();
  for (const Bf16 value : result) {
    if (std::isnan(to_float(value))) check.trouble = "an output is NaN or unwritten";
  }
  return check;
}

}  // namespace moesim::validation::cuda
