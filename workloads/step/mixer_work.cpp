#include "workloads/step/mixer_work.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace moesim::workloads {
namespace {

using hardware::AttentionShape;
using hardware::GemmShape;
using hardware::MlaShape;
using hardware::Precision;

// The queries that one cp rank has; the keys it sees are all of them (ring attention, or an
// all-gather of keys and values: Megatron-Core's context parallelism).
BatchShape of_cp_rank(const BatchShape& shape, std::int64_t cp) {
  BatchShape mine = shape;
  mine.query_length = std::max<std::int64_t>(1, shape.query_length / cp);
  return mine;
}

class Pricer {
 public:
  Pricer(const LayerPricing& pricing, const BatchShape& shape)
      : pricing_(pricing),
        shape_(of_cp_rank(shape, pricing.cp)),
        tokens_(shape_.tokens()),
        decode_(shape.query_length == 1) {}

  Work operator()(const NoMixer&) { return {}; }

  Work operator()(const GqaAttention& a) {
    const std::int64_t heads = split(a.heads, pricing_.tp);
    const std::int64_t kv_heads = split(a.kv_heads, pricing_.tp);  // fewer than tp: replicated
    const std::int64_t keys = kv_heads * a.head_dim;
    const std::int64_t values = a.key_is_value ? 0 : kv_heads * a.value_head();
    project(a, heads * a.head_dim, a.reuses_cache ? 0 : keys + values);
    // Rotary embedding and the write of keys and values to the cache.
    touch(2 * (heads * a.head_dim + keys + values));
    core(a, heads, kv_heads, shape_.kv_length, a.window);
    gemm(pricing_.model.hidden, heads * a.value_head());
    return work_;
  }

  Work operator()(const MlaAttention& a) {
    const std::int64_t heads = split(a.heads, pricing_.tp);
    const std::int64_t hidden = pricing_.model.hidden;
    // The projections down are replicated over tp; those up are split by heads.
    if (a.q_lora_rank > 0) {
      gemm(a.q_lora_rank + a.cache_width(), hidden);
      gemm(heads * a.query_head(), a.q_lora_rank);
    } else {
      gemm(heads * a.query_head() + a.cache_width(), hidden);
    }
    touch(2 * (a.q_lora_rank + a.cache_width() + heads * a.query_head()));
    if (a.index.top_k > 0) index(a.index, a.q_lora_rank > 0 ? a.q_lora_rank : hidden);
    if (decode_) {
      batched(heads, a.kv_lora_rank, a.nope_dim);
      mla_core(a, heads);
      batched(heads, a.value_dim, a.kv_lora_rank);
    } else {
      gemm(heads * (a.nope_dim + a.value_dim), a.kv_lora_rank);
      mla_core(a, heads);
    }
    gemm(hidden, heads * a.value_dim);
    return work_;
  }

  Work operator()(const CompressedAttention& a) {
    const std::int64_t heads = split(a.heads, pricing_.tp);
    const std::int64_t hidden = pricing_.model.hidden;
    gemm(a.q_lora_rank + a.head_dim, hidden);
    gemm(heads * a.head_dim, a.q_lora_rank);
    if (a.compress > 0) gemm(2 * a.compress_overlap * a.head_dim, hidden);
    if (a.index.top_k > 0) index(a.index, a.q_lora_rank);
    // Raw keys in the window, and one key for every `compress` tokens, the chosen ones of them.
    std::int64_t keys = std::min(shape_.kv_length, a.window);
    if (a.compress > 0) {
      const std::int64_t compressed = shape_.kv_length / a.compress;
      keys += a.index.top_k > 0 ? std::min(compressed, a.index.top_k) : compressed;
    }
    const GqaAttention as_multi_query{.heads = a.heads, .kv_heads = 1, .head_dim = a.head_dim};
    core(as_multi_query, heads, 1, keys, 0);
    const std::int64_t groups = std::max<std::int64_t>(1, split(a.output_groups, pricing_.tp));
    if (a.output_lora_rank > 0) {
      batched(groups, a.output_lora_rank, heads * a.head_dim / groups);
      gemm(hidden, groups * a.output_lora_rank);
    } else {
      gemm(hidden, heads * a.head_dim);
    }
    return work_;
  }

  Work operator()(const LinearAttention& a) {
    const std::int64_t keys = split(a.key_heads, pricing_.tp) * a.key_dim;
    const std::int64_t values = split(a.value_heads, pricing_.tp) * a.value_dim;
    if (a.kind == LinearKind::ShortConvolution) {
      gemm(2 * keys + values, pricing_.model.hidden);
      touch(2 * (2 * keys + values));  // gate, convolve, gate
      gemm(pricing_.model.hidden, values);
      return work_;
    }
    gemm(2 * keys + 2 * values, pricing_.model.hidden);  // q, k, v and the output's gate
    if (a.convolution > 0) touch(2 * (2 * keys + values));
    state(split(a.value_heads, pricing_.tp) * a.key_dim * a.value_dim);
    gemm(pricing_.model.hidden, values);
    return work_;
  }

  Work operator()(const MambaMixer& a) {
    const std::int64_t inner = split(a.inner(), pricing_.tp);
    if (a.dt_rank > 0) {
      gemm(2 * inner, pricing_.model.hidden);
      touch(2 * inner);
      gemm(a.dt_rank + 2 * a.state, inner);
      gemm(inner, a.dt_rank);
      state(inner * a.state);
      gemm(pricing_.model.hidden, inner);
      return work_;
    }
    const std::int64_t groups = split(a.groups, pricing_.tp) * a.state;
    gemm(2 * inner + 2 * groups + split(a.heads, pricing_.tp), pricing_.model.hidden);
    touch(2 * (inner + 2 * groups));
    state(inner * a.state);
    gemm(pricing_.model.hidden, inner);
    return work_;
  }

  Work operator()(const LstmMixer& a) {
    // Four gates from the input and from the state before; a step at a time along the sequence.
    const std::int64_t units = split(a.units, pricing_.tp);
    gemm(4 * units, pricing_.model.hidden);
    Work step;
    step += pricing_.kernels.gemm({.m = shape_.sequences,
                                   .n = 4 * units,
                                   .k = a.units,
                                   .precision = pricing_.precision.attention},
                                  pricing_.sm_share);
    for (std::int64_t t = 0; t < shape_.query_length; ++t) work_ += step;
    if (a.units != pricing_.model.hidden) gemm(pricing_.model.hidden, units);
    return work_;
  }

  Work cross(const GqaAttention& a) {
    const std::int64_t heads = split(a.heads, pricing_.tp);
    const std::int64_t kv_heads = split(a.kv_heads, pricing_.tp);
    gemm(heads * a.head_dim, pricing_.model.hidden);
    core(a, heads, kv_heads, shape_.encoder_length, 0);
    gemm(pricing_.model.hidden, heads * a.value_head());
    return work_;
  }

 private:
  // Queries, keys and values in one GEMM; queries of a rank of their own need another.
  void project(const GqaAttention& a, std::int64_t queries, std::int64_t keys_and_values) {
    if (a.query_rank == 0) return gemm(queries + keys_and_values, pricing_.model.hidden);
    gemm(a.query_rank + keys_and_values, pricing_.model.hidden);
    gemm(queries, a.query_rank);
  }

  void gemm(std::int64_t n, std::int64_t k) {
    work_ += pricing_.kernels.gemm(
        {.m = tokens_, .n = n, .k = k, .precision = pricing_.precision.attention},
        pricing_.sm_share);
  }

  // One small GEMM a head, in one launch; weights in the activations' format.
  void batched(std::int64_t heads, std::int64_t n, std::int64_t k) {
    const std::vector<std::int64_t> rows(static_cast<std::size_t>(heads), tokens_);
    work_ += pricing_.kernels.grouped_gemm(
        {.rows = rows, .n = n, .k = k, .precision = pricing_.precision.activations},
        pricing_.sm_share);
  }

  // Numbers a token, read or written by element-wise kernels.
  void touch(std::int64_t numbers) {
    const double bytes = static_cast<double>(tokens_ * numbers) *
                         hardware::bytes_per_element(pricing_.precision.activations);
    work_ +=
        pricing_.kernels.elementwise({.bytes = sim::Bytes(std::llround(bytes))}, pricing_.sm_share);
  }

  // A state of so many fp32 numbers a sequence: decode reads and writes it; prefill, in chunks of
  // 64 tokens (the width that flash-linear-attention works in), does two GEMMs' worth a chunk.
  void state(std::int64_t numbers) {
    constexpr std::int64_t kChunk = 64;
    const std::int64_t passes = decode_ ? 1 : (shape_.query_length + kChunk - 1) / kChunk;
    work_ += pricing_.kernels.elementwise(
        {.bytes = sim::Bytes(shape_.sequences * passes * 2 * 4 * numbers)}, pricing_.sm_share);
  }

  void core(const GqaAttention& a, std::int64_t heads, std::int64_t kv_heads, std::int64_t keys,
            std::int64_t window) {
    if (keys == 0) return;
    work_ += pricing_.kernels.attention({.batch = shape_.sequences,
                                         .query_length = shape_.query_length,
                                         .kv_length = keys,
                                         .heads = heads,
                                         .kv_heads = kv_heads,
                                         .head_dim = a.head_dim,
                                         .window = window,
                                         .precision = pricing_.precision.activations,
                                         .kv_precision = pricing_.precision.kv_cache},
                                        pricing_.sm_share);
  }

  void mla_core(const MlaAttention& a, std::int64_t heads) {
    std::int64_t keys = shape_.kv_length;
    if (a.index.top_k > 0) keys = std::min(keys, a.index.top_k);
    work_ += pricing_.kernels.mla({.batch = shape_.sequences,
                                   .query_length = shape_.query_length,
                                   .kv_length = keys,
                                   .heads = heads,
                                   .kv_lora_rank = a.kv_lora_rank,
                                   .rope_dim = a.rope_dim,
                                   .nope_dim = a.nope_dim,
                                   .value_dim = a.value_dim,
                                   .precision = pricing_.precision.activations,
                                   .kv_precision = pricing_.precision.kv_cache},
                                  pricing_.sm_share);
  }

  // The lightning indexer: its projections, and a score of every key for every query in fp8.
  void index(const SparseIndex& a, std::int64_t query_input) {
    gemm(a.heads * a.head_dim, query_input);
    gemm(a.head_dim + a.heads, pricing_.model.hidden);
    work_ += pricing_.kernels.attention({.batch = shape_.sequences,
                                         .query_length = shape_.query_length,
                                         .kv_length = shape_.kv_length,
                                         .heads = a.heads,
                                         .kv_heads = 1,
                                         .head_dim = a.head_dim,
                                         .precision = Precision::FP8,
                                         .kv_precision = Precision::FP8},
                                        pricing_.sm_share);
  }

  const LayerPricing& pricing_;
  BatchShape shape_;
  std::int64_t tokens_;
  bool decode_;
  Work work_;
};

}  // namespace

Work mixer_work(const LayerPricing& pricing, const Mixer& mixer, const BatchShape& shape) {
  return std::visit(Pricer(pricing, shape), mixer);
}

Work cross_attention_work(const LayerPricing& pricing, const GqaAttention& attention,
                          const BatchShape& shape) {
  return Pricer(pricing, shape).cross(attention);
}

}  // namespace moesim::workloads
