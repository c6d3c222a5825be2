#include "workloads/step/layer_work.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "workloads/step/context_split.h"
#include "workloads/step/mixer_work.h"

namespace moesim::workloads {
namespace {

using hardware::Precision;

// Bytes of `numbers` activations.
sim::Bytes activation_bytes(const LayerPricing& pricing, std::int64_t numbers) {
  return sim::Bytes(std::llround(static_cast<double>(numbers) *
                                 hardware::bytes_per_element(pricing.precision.activations)));
}

// Up (and gate), activation, down: the width of the middle is `inter` on this GPU.
Work feed_forward(const LayerPricing& pricing, std::int64_t tokens, std::int64_t inter, bool gated,
                  Precision precision) {
  Work work;
  if (tokens == 0 || inter == 0) return work;
  const std::int64_t up = gated ? 2 * inter : inter;
  const std::int64_t hidden = pricing.model.hidden;
  work += pricing.product(tokens, up, hidden, precision);
  work += pricing.kernels.elementwise({.bytes = activation_bytes(pricing, tokens * (up + inter))},
                                      pricing.share);
  work += pricing.product(tokens, hidden, inter, precision);
  return work;
}

// A norm fused with the residual's addition reads two vectors and writes two.
Work norm(const LayerPricing& pricing, std::int64_t tokens) {
  Work work;
  work += pricing.kernels.elementwise(
      {.bytes = activation_bytes(pricing, 4 * tokens * pricing.model.hidden)}, pricing.share);
  return work;
}

}  // namespace

Work LayerPricing::product(std::int64_t tokens, std::int64_t n, std::int64_t k,
                           hardware::Precision format, bool again) const {
  const Quantisation where = quantisation_of(composition, format);
  const bool comes = where == Quantisation::Fused || (again && where == Quantisation::OnceForQkv);
  Work work;
  work +=
      kernels.gemm({.m = tokens, .n = n, .k = k, .precision = format, .quantised = comes}, share);
  return work;
}

Work LayerPricing::mixer(const LayerKind& layer, const RankBatch& batch) const {
  if (std::holds_alternative<NoMixer>(layer.mixer) || tokens_of(batch) == 0) return {};
  std::int64_t tokens = 0;  // of the cp rank with the most
  for (const BatchShape& part : batch) tokens += context_part(part, cp).own.tokens();
  Work work = norm(*this, tokens);
  work += mixer_work(*this, layer.mixer, batch);
  if (layer.cross) {
    work += norm(*this, tokens);
    work += cross_attention_work(*this, *layer.cross, batch);
  }
  return work;
}

sim::Bytes LayerPricing::norm_sums(const LayerKind& layer, std::int64_t tokens) const {
  const auto* gqa = std::get_if<GqaAttention>(&layer.mixer);
  if (tp == 1 || gqa == nullptr || gqa->qk_norm != QkNorm::PerLayer) return {};
  constexpr std::int64_t kSquare = 4;  // fp32
  return sim::Bytes(tokens * (gqa->reuses_cache ? 1 : 2) * kSquare);
}

Work LayerPricing::dense(const LayerKind& layer, std::int64_t tokens) const {
  const auto* ffn = std::get_if<DenseFfn>(&layer.ffn);
  if (ffn == nullptr || tokens == 0) return {};
  Work work = norm(*this, tokens);
  work += feed_forward(*this, tokens, split(ffn->inter, tp), ffn->gated, precision.dense_ffn);
  return work;
}

Work LayerPricing::router(const MoeFfn& moe, std::int64_t tokens, bool within) const {
  if (tokens == 0) return {};
  Work work = norm(*this, tokens);
  work += kernels.gemm(
      {.m = tokens, .n = moe.experts, .k = model.hidden, .precision = precision.other}, share);
  if (!within || !kernels.layer_chooses(precision.experts)) {
    work += kernels.router({.tokens = tokens, .experts = moe.experts, .top_k = moe.top_k}, share);
  }
  if (moe.latent > 0) {
    work += kernels.gemm(
        {.m = tokens, .n = moe.latent, .k = model.hidden, .precision = precision.other}, share);
    work += kernels.gemm(
        {.m = tokens, .n = model.hidden, .k = moe.latent, .precision = precision.other}, share);
  }
  return work;
}

Work LayerPricing::quantise(std::int64_t tokens, std::int64_t width,
                            hardware::Precision format) const {
  Work work;
  if (tokens == 0) return work;
  const double numbers = static_cast<double>(tokens * width);
  work += kernels.elementwise(
      {.bytes = activation_bytes(*this, tokens * width) +
                sim::Bytes(std::llround(numbers * hardware::bytes_per_element(format)))},
      share);
  return work;
}

Work LayerPricing::draft_input(std::int64_t tokens) const {
  Work work;
  if (tokens == 0) return work;
  work += norm(*this, tokens);
  work += norm(*this, tokens);
  work += product(tokens, model.hidden, 2 * model.hidden, precision.attention);
  return work;
}

Work LayerPricing::sum(std::int64_t tokens) const {
  Work work;
  if (tokens == 0) return work;
  work += kernels.elementwise({.bytes = activation_bytes(*this, 3 * tokens * model.hidden)}, share);
  return work;
}

Work LayerPricing::shared(const MoeFfn& moe, std::int64_t tokens, bool whole) const {
  const std::int64_t width = moe.shared_width() + moe.residual_inter;
  return feed_forward(*this, tokens, whole ? width : split(width, tp), moe.gated,
                      precision.shared_experts);
}

Work LayerPricing::embedding(std::int64_t tokens) const {
  Work work;
  if (tokens == 0) return work;
  work += kernels.elementwise({.bytes = activation_bytes(*this, 2 * tokens * model.hidden)}, share);
  return work;
}

Work LayerPricing::head(std::int64_t rows) const {
  if (!model.head || rows == 0) return {};
  Work work = norm(*this, rows);
  work += kernels.gemm(
      {.m = rows, .n = split(model.vocab, tp), .k = model.hidden, .precision = precision.other},
      share);
  return work;
}

}  // namespace moesim::workloads
