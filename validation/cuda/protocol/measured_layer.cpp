#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "validation/cuda/protocol/layer.h"
#include "validation/cuda/protocol/measure.h"
#include "validation/cuda/protocol/measured_set.h"
#include "validation/cuda/protocol/sampling.h"

namespace moesim::validation::cuda {
namespace {

class LayerSet : public Set {
 public:
  LayerSet(Machine& machine, const PlanPoint& point, std::uint64_t seed)
      : layer_(machine, layer_shape(point), seed), weights_(machine, layer_.shape, seed + 10) {
    // Logits that choose what the plan asks for: 8 above the rest, which is noise.
    std::vector<float> logits = layer_.logits.read();
    const std::vector<int> ids = deal_selections(point.loads, point.tokens, point.top_k);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      logits[i / size(point.top_k) * size(point.experts) + size(ids[i])] += 16;
    }
    machine.upload(layer_.logits.data(), logits.data(), logits.size() * sizeof(float));
    host_offsets_ = offsets_of(point.loads);
  }

  Operations operations() const override { return layer_.operations(weights_); }
  void poison() override { layer_.poison(); }
  const Buffer<Bf16>* output() const override { return &layer_.output; }

  // Each step from the input that it really had, so that no weight need be read whole.
  std::optional<double> error(std::uint64_t seed) override {
    const LayerShape& s = layer_.shape;
    if (layer_.offsets.read() != host_offsets_) return std::numeric_limits<double>::infinity();
    std::vector<std::optional<double>> errors;
    if (s.fp8) {
      const int stride = round_up(s.rows(), 4);
      errors.push_back(gemm_error_fp8({layer_.permuted_codes, layer_.permuted_scales,
                                       weights_.gate_up_codes, weights_.gate_up_scales, stride},
                                      layer_.gate_up, host_offsets_, 2 * s.inter, s.hidden, seed));
      errors.push_back(gemm_error_fp8({layer_.activated_codes, layer_.activated_scales,
                                       weights_.down_codes, weights_.down_scales, stride},
                                      layer_.down, host_offsets_, s.hidden, s.inter, seed + 1));
    } else {
      errors.push_back(gemm_error(layer_.permuted, weights_.gate_up, layer_.gate_up, host_offsets_,
                                  2 * s.inter, s.hidden, seed));
      errors.push_back(gemm_error(layer_.activated, weights_.down, layer_.down, host_offsets_,
                                  s.hidden, s.inter, seed + 1));
    }
    RelativeError activation, sum;
    const std::vector<int> row_of = layer_.row_of.read();
    const std::vector<float> gate = layer_.gate.read();
    for (std::uint64_t i = 0; i < kSamples; ++i) {
      const std::size_t row = sample(seed + 2, i, size(s.rows()));
      const std::size_t x = sample(seed + 3, i, size(s.inter));
      const auto value = [&](const Buffer<Bf16>& buffer, std::size_t at) {
        return double{to_float(buffer.read(at, 1)[0])};
      };
      activation.add(value(layer_.activated, row * size(s.inter) + x),
                     reference_swiglu(value(layer_.gate_up, row * 2 * size(s.inter) + x),
                                      value(layer_.gate_up, (row * 2 + 1) * size(s.inter) + x)));
      const std::size_t token = sample(seed + 4, i, size(s.tokens));
      const std::size_t h = sample(seed + 5, i, size(s.hidden));
      double total = 0;
      for (std::size_t k = 0; k < size(s.rule.top_k); ++k) {
        const std::size_t selection = token * size(s.rule.top_k) + k;
        total += double{gate[selection]} *
                 value(layer_.down, size(row_of[selection]) * size(s.hidden) + h);
      }
      sum.add(value(layer_.output, token * size(s.hidden) + h), total);
    }
    double worst = std::max(activation.value(), sum.value());
    if (std::isnan(activation.value()) || std::isnan(sum.value())) return NAN;
    for (const auto& e : errors) {
      if (e && !(*e <= worst)) worst = *e;  // NaN stays
    }
    return worst;
  }

 private:
  Layer layer_;
  LayerWeights weights_;
  std::vector<int> host_offsets_;
};

// Router, sort, permute, unpermute, SwiGLU, quantise: the parts of a layer, on its own data.
class PartSet : public Set {
 public:
  PartSet(Machine& machine, const PlanPoint& point, std::uint64_t seed)
      : whole_(machine, with_widths(point), seed), weights_(machine, none(), 1) {
    Operations all = whole_.operations(weights_);
    // What comes before has to have run once: row numbers and offsets must be real.
    for (const Operation& operation : all) {
      if (std::holds_alternative<GroupedGemm>(operation) ||
          std::holds_alternative<GroupedGemmFp8Args>(operation)) {
        continue;
      }
      machine.run(operation);
    }
    fill(machine, whole_.gate_up.data(), whole_.gate_up.size(), Filling::Bf16, seed + 5, 1);
    fill(machine, whole_.down.data(), whole_.down.size(), Filling::Bf16, seed + 6, 1);
    for (Operation& operation : all) {
      if ((point.op == "router" && std::holds_alternative<RouterArgs>(operation)) ||
          (point.op == "sort" && std::holds_alternative<SortArgs>(operation)) ||
          (point.op == "permute" && std::holds_alternative<PermuteArgs>(operation)) ||
          (point.op == "unpermute" && std::holds_alternative<UnpermuteArgs>(operation)) ||
          (point.op == "swiglu" && std::holds_alternative<SwigluArgs>(operation)) ||
          (point.op == "quantise" && std::holds_alternative<QuantiseArgs>(operation) &&
           part_.empty())) {
        part_.push_back(std::move(operation));
      }
    }
  }
  Operations operations() const override { return part_; }

 private:
  static LayerShape with_widths(const PlanPoint& point) {
    LayerShape shape = layer_shape(point);
    shape.fp8 = point.op == "quantise";
    shape.hidden = std::max(8, point.hidden);
    shape.inter = std::max(8, point.inter);
    return shape;
  }
  static LayerShape none() {
    LayerShape shape;
    shape.hidden = shape.inter = 8;  // and no experts
    return shape;
  }
  Layer whole_;
  LayerWeights weights_;
  Operations part_;
};

}  // namespace

std::vector<int> deal_selections(const std::vector<int>& loads, int tokens, int top_k) {
  std::vector<int> ids(size(tokens, top_k), -1);
  std::vector<int> order(loads.size());
  std::iota(order.begin(), order.end(), 0);
  // Experts one after another, each to the next `load` tokens round the table: none meets a token
  // twice while its load is at most the number of tokens, and every token is met top_k times.
  std::size_t place = 0;
  for (const int expert : order) {
    for (int i = 0; i < loads[static_cast<std::size_t>(expert)]; ++i, ++place) {
      const std::size_t token = place % size(tokens), turn = place / size(tokens);
      ids[token * size(top_k) + turn] = expert;
    }
  }
  return ids;
}

LayerShape layer_shape(const PlanPoint& point) {
  LayerShape shape;
  shape.rule = {point.experts, point.top_k, false, 1, 1, true, 1};
  shape.tokens = point.tokens;
  shape.hidden = point.hidden;
  shape.inter = point.inter;
  shape.fp8 = point.impl == "moesim_fp8";
  shape.wgmma = point.impl == "moesim_wgmma";
  return shape;
}

std::unique_ptr<Set> make_layer_set(Machine& machine, const PlanPoint& point, std::uint64_t seed) {
  return std::make_unique<LayerSet>(machine, point, seed);
}

std::unique_ptr<Set> make_part_set(Machine& machine, const PlanPoint& point, std::uint64_t seed) {
  return std::make_unique<PartSet>(machine, point, seed);
}

}  // namespace moesim::validation::cuda
