#include "validation/cuda/protocol/layer.h"

#include <cmath>

namespace moesim::validation::cuda {
namespace {

std::size_t size(int a, int b, int c = 1) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b) * static_cast<std::size_t>(c);
}

// How many values a buffer has that only one of the two precisions uses.
std::size_t if_fp8(const LayerShape& shape, std::size_t count) {
  return shape.fp8 ? count : 0;
}
std::size_t if_bf16(const LayerShape& shape, std::size_t count) {
  return shape.fp8 ? 0 : count;
}

void fill(Machine& machine, void* to, std::size_t count, Filling as, std::uint64_t seed,
          double scale, double shift = 0) {
  if (count == 0) return;
  machine.run(FillArgs{to, static_cast<std::int64_t>(count), as, seed, static_cast<float>(scale),
                       static_cast<float>(shift)});
}

int scale_stride(const LayerShape& shape) {
  return round_up(shape.rows(), 4);
}

int chunks(const LayerShape& shape) {
  return ceil_div(shape.rows(), kSelectionsPerChunk);
}

}  // namespace

LayerWeights::LayerWeights(Machine& machine, const LayerShape& s, std::uint64_t seed)
    : gate_up(machine, if_bf16(s, size(s.rule.experts, 2 * s.inter, s.hidden))),
      down(machine, if_bf16(s, size(s.rule.experts, s.hidden, s.inter))),
      gate_up_codes(machine, if_fp8(s, size(s.rule.experts, 2 * s.inter, round_up(s.hidden, 16)))),
      down_codes(machine, if_fp8(s, size(s.rule.experts, s.hidden, round_up(s.inter, 16)))),
      gate_up_scales(machine, if_fp8(s, size(s.rule.experts, ceil_div(2 * s.inter, kScaleBlock),
                                             ceil_div(s.hidden, kScaleBlock)))),
      down_scales(machine, if_fp8(s, size(s.rule.experts, ceil_div(s.hidden, kScaleBlock),
                                          ceil_div(s.inter, kScaleBlock)))) {
  const double first = 1 / std::sqrt(static_cast<double>(s.hidden));
  const double second = 1 / std::sqrt(static_cast<double>(s.inter));
  fill(machine, gate_up.data(), gate_up.size(), Filling::Bf16, seed, first);
  fill(machine, down.data(), down.size(), Filling::Bf16, seed + 1, second);
  // Codes use much of the range of fp8; scales bring the values back, each a little different.
  fill(machine, gate_up_codes.data(), gate_up_codes.size(), Filling::Fp8, seed, 64);
  fill(machine, down_codes.data(), down_codes.size(), Filling::Fp8, seed + 1, 64);
  fill(machine, gate_up_scales.data(), gate_up_scales.size(), Filling::Float, seed + 2,
       first / 64 / 8, first / 64);
  fill(machine, down_scales.data(), down_scales.size(), Filling::Float, seed + 3, second / 64 / 8,
       second / 64);
}

std::size_t LayerWeights::bytes() const {
  return gate_up.bytes() + down.bytes() + gate_up_codes.bytes() + down_codes.bytes() +
         gate_up_scales.bytes() + down_scales.bytes();
}

Layer::Layer(Machine& machine, const LayerShape& s, std::uint64_t seed)
    : shape(s),
      logits(machine, size(s.tokens, s.rule.experts)),
      input(machine, size(s.tokens, s.hidden)),
      ids(machine, size(s.tokens, s.rule.top_k)),
      gate(machine, size(s.tokens, s.rule.top_k)),
      chunk_counts(machine, size(chunks(s), s.rule.experts)),
      offsets(machine, size(s.rule.experts + 1, 1)),
      row_of(machine, size(s.rows(), 1)),
      token_of(machine, size(s.rows(), 1)),
      permuted(machine, size(s.rows(), s.hidden)),
      gate_up(machine, size(s.rows(), 2 * s.inter)),
      activated(machine, size(s.rows(), s.inter)),
      down(machine, size(s.rows(), s.hidden)),
      output(machine, size(s.tokens, s.hidden)),
      permuted_codes(machine, if_fp8(s, size(s.rows(), round_up(s.hidden, 16)))),
      activated_codes(machine, if_fp8(s, size(s.rows(), round_up(s.inter, 16)))),
      permuted_scales(machine, if_fp8(s, size(scale_stride(s), ceil_div(s.hidden, kScaleBlock)))),
      activated_scales(machine, if_fp8(s, size(scale_stride(s), ceil_div(s.inter, kScaleBlock)))) {
  fill(machine, logits.data(), logits.size(), Filling::Float, seed, 1);
  fill(machine, input.data(), input.size(), Filling::Bf16, seed + 1, 1);
  poison();
}

void Layer::poison() {
  ids.poison();
  gate.poison();
  chunk_counts.poison();
  offsets.poison();
  row_of.poison();
  token_of.poison();
  permuted.poison();
  gate_up.poison();
  activated.poison();
  down.poison();
  output.poison();
  permuted_codes.poison();
  activated_codes.poison();
  permuted_scales.poison();
  activated_scales.poison();
}

std::size_t Layer::bytes() const {
  return logits.bytes() + input.bytes() + ids.bytes() + gate.bytes() + chunk_counts.bytes() +
         offsets.bytes() + row_of.bytes() + token_of.bytes() + permuted.bytes() + gate_up.bytes() +
         activated.bytes() + down.bytes() + output.bytes() + permuted_codes.bytes() +
         activated_codes.bytes() + permuted_scales.bytes() + activated_scales.bytes();
}

Operations Layer::operations(const LayerWeights& weights) const {
  const int experts = shape.rule.experts, rows = shape.rows();
  const int* row_count = offsets.data() + experts;
  const int expected = ceil_div(rows, experts);

  RouterArgs router;
  router.logits = logits.data();
  router.ids = ids.data();
  router.weights = gate.data();
  router.tokens = shape.tokens;
  router.experts = experts;
  router.top_k = shape.rule.top_k;
  router.sigmoid = shape.rule.sigmoid;
  router.groups = shape.rule.groups;
  router.top_groups = shape.rule.top_groups;
  router.normalise = shape.rule.normalise;
  router.scale = static_cast<float>(shape.rule.scale);

  Operations list{
      router,
      SortArgs{ids.data(), shape.tokens, shape.rule.top_k, 0, experts, chunk_counts.data(),
               offsets.data(), row_of.data(), token_of.data()},
      PermuteArgs{input.data(), permuted.data(), token_of.data(), row_count, shape.hidden, rows}};
  const auto gemm = [&](const Bf16* a, const Bf16* w, Bf16* out, int n, int k) {
    list.push_back(GroupedGemm{shape.wgmma ? GemmBy::Wgmma : GemmBy::Mma,
                               {a, w, out, offsets.data(), experts, n, k, rows, expected}});
  };
  const auto gemm_fp8 = [&](const Bf16* from, Fp8* codes, float* scales, const Fp8* w,
                            const float* w_scales, Bf16* out, int n, int k) {
    const int stride = round_up(k, 16);
    list.push_back(
        QuantiseArgs{from, codes, scales, row_count, k, stride, scale_stride(shape), rows});
    list.push_back(GroupedGemmFp8Args{codes, scales, w, w_scales, out, offsets.data(), experts, n,
                                      k, stride, scale_stride(shape), rows, expected});
  };
  const SwigluArgs activation{gate_up.data(), activated.data(), row_count, shape.inter, rows};
  if (shape.fp8) {
    gemm_fp8(permuted.data(), permuted_codes.data(), permuted_scales.data(),
             weights.gate_up_codes.data(), weights.gate_up_scales.data(), gate_up.data(),
             2 * shape.inter, shape.hidden);
    list.push_back(activation);
    gemm_fp8(activated.data(), activated_codes.data(), activated_scales.data(),
             weights.down_codes.data(), weights.down_scales.data(), down.data(), shape.hidden,
             shape.inter);
  } else {
    gemm(permuted.data(), weights.gate_up.data(), gate_up.data(), 2 * shape.inter, shape.hidden);
    list.push_back(activation);
    gemm(activated.data(), weights.down.data(), down.data(), shape.hidden, shape.inter);
  }
  list.push_back(UnpermuteArgs{down.data(), row_of.data(), gate.data(), output.data(), shape.tokens,
                               shape.rule.top_k, shape.hidden});
  return list;
}

}  // namespace moesim::validation::cuda
