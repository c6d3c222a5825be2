#include "workloads/step/mixer_work.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "workloads/step/context_split.h"
#include "workloads/step/token_split.h"

namespace moesim::workloads {
namespace {

using hardware::AttentionShape;
using hardware::GemmShape;
using hardware::MlaShape;
using hardware::Precision;

class Pricer {
 public:
  Pricer(const LayerPricing& pricing, const RankBatch& batch) : pricing_(pricing) {
    for (const BatchShape& shape : batch) {
      if (shape.tokens() == 0) continue;
      parts_.push_back(context_part(shape, pricing.cp));
      tokens_ += parts_.back().own.tokens();
    }
  }

  Work operator()(const NoMixer&) { return {}; }

  Work operator()(const GqaAttention& a) {
    const std::int64_t heads = split(a.heads, pricing_.tp);
    const std::int64_t kv_heads = split(a.kv_heads, pricing_.tp);  // fewer than tp: replicated
    const std::int64_t keys = kv_heads * a.head_dim;
    const std::int64_t values = a.key_is_value ? 0 : kv_heads * a.value_head();
    const std::int64_t gate = split(a.output_gate, pricing_.tp);
    project(a, heads * a.head_dim, gate + (a.reuses_cache ? 0 : keys + values));
    normalise(a, heads * a.head_dim, a.reuses_cache ? 0 : keys);
    // Rotary embedding and the write of keys and values to the cache.
    touch(2 * (heads * a.head_dim + keys + values));
    if (a.index.heads > 0) index(a.index, pricing_.model.hidden);
    // A query that chooses keys sees as many as through a window of their number.
    const std::int64_t seen = a.index.top_k > 0 ? a.index.top_k : a.window;
    for (const ContextPart& part : parts_) {
      core(part.core, a, heads, kv_heads, part.core.kv_length, seen);
      merge(part.core, heads * a.value_head());
    }
    multiply_by_gate(heads * a.value_head(), gate);
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
    // Norms of the latent vectors; rotation, in place.
    touch(2 * (a.q_lora_rank + a.cache_width() + heads * a.rope_dim));
    if (a.index.heads > 0) index(a.index, a.q_lora_rank > 0 ? a.q_lora_rank : hidden);
    for (const ContextPart& part : parts_) {
      if (part.own.phase == StepPhase::Decode) {
        batched(part.own.tokens(), heads, a.kv_lora_rank, a.nope_dim);
        mla_core(part.core, a, heads);
        merge(part.core, heads * a.kv_lora_rank);
        batched(part.own.tokens(), heads, a.value_dim, a.kv_lora_rank);
      } else {
        expand_keys(part.core, a, heads);
        mla_core(part.core, a, heads);
      }
    }
    if (a.output_gate) {
      gemm_again(heads * a.value_dim, hidden);
      multiply_by_gate(heads * a.value_dim, heads * a.value_dim);
    }
    gemm(hidden, heads * a.value_dim);
    return work_;
  }

  // What depends on the keys of the only part. REQUIRES: cp = 1
  std::optional<Work> core(const Mixer& mixer) {
    const BatchShape& part = parts_.front().core;
    if (const auto* gqa = std::get_if<GqaAttention>(&mixer)) {
      core(part, *gqa, split(gqa->heads, pricing_.tp), split(gqa->kv_heads, pricing_.tp),
           part.kv_length, gqa->window);
      return work_;
    }
    const auto* mla = std::get_if<MlaAttention>(&mixer);
    if (mla == nullptr || mla->index.top_k > 0) return {};
    const std::int64_t heads = split(mla->heads, pricing_.tp);
    if (part.phase == StepPhase::Prefill) expand_keys(part, *mla, heads);
    mla_core(part, *mla, heads);
    return work_;
  }

  Work operator()(const CompressedAttention& a) {
    const std::int64_t heads = split(a.heads, pricing_.tp);
    const std::int64_t hidden = pricing_.model.hidden;
    gemm(a.q_lora_rank + a.head_dim, hidden);
    gemm(heads * a.head_dim, a.q_lora_rank);
    if (a.compress > 0) gemm_again(2 * a.compress_overlap * a.head_dim, hidden);
    if (a.index.heads > 0) index(a.index, a.q_lora_rank);
    const GqaAttention as_multi_query{.heads = a.heads, .kv_heads = 1, .head_dim = a.head_dim};
    for (const ContextPart& part : parts_) {
      // Raw keys in the window, and one key for every `compress` tokens, the chosen ones of them.
      std::int64_t keys = std::min(part.core.kv_length, a.window);
      if (a.compress > 0) {
        const std::int64_t compressed = part.core.kv_length / a.compress;
        keys += a.index.top_k > 0 ? std::min(compressed, a.index.top_k) : compressed;
      }
      core(part.core, as_multi_query, heads, 1, keys, 0);
      merge(part.core, heads * a.head_dim);
    }
    const std::int64_t groups = std::max<std::int64_t>(1, split(a.output_groups, pricing_.tp));
    if (a.output_lora_rank > 0) {
      batched(tokens_, groups, a.output_lora_rank, heads * a.head_dim / groups);
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
    for (const ContextPart& part : parts_) {
      Work step;
      step += pricing_.kernels.gemm({.m = part.own.sequences,
                                     .n = 4 * units,
                                     .k = a.units,
                                     .precision = pricing_.precision.attention},
                                    pricing_.share);
      for (std::int64_t t = 0; t < part.own.query_length; ++t) work_ += step;
    }
    if (a.units != pricing_.model.hidden) gemm(pricing_.model.hidden, units);
    return work_;
  }

  Work cross(const GqaAttention& a) {
    const std::int64_t heads = split(a.heads, pricing_.tp);
    const std::int64_t kv_heads = split(a.kv_heads, pricing_.tp);
    gemm(heads * a.head_dim, pricing_.model.hidden);
    // The encoder's keys are whole on every rank.
    for (const ContextPart& part : parts_) {
      attend(part.own, a, heads, kv_heads, part.own.encoder_length, 0);
    }
    gemm(pricing_.model.hidden, heads * a.value_head());
    return work_;
  }

 private:
  // Queries, keys, values and the result's gate in one GEMM; queries of a rank of their own need
  // another.
  void project(const GqaAttention& a, std::int64_t queries, std::int64_t others) {
    if (a.query_rank == 0) return gemm(queries + others, pricing_.model.hidden);
    gemm(a.query_rank + others, pricing_.model.hidden);
    gemm(queries, a.query_rank);
  }

  // In place, by one launch.
  void multiply_by_gate(std::int64_t result, std::int64_t gate) {
    if (gate > 0) touch(2 * result + gate);
  }

  // Queries and keys are normalised in place, by one launch. Where a norm is over all heads, tp
  // ranks first add up their squares (LayerPricing::norm_sums), which a launch of its own reads.
  void normalise(const GqaAttention& a, std::int64_t queries, std::int64_t keys) {
    if (a.qk_norm == QkNorm::None) return;
    if (a.qk_norm == QkNorm::PerLayer && pricing_.tp > 1) touch(queries + keys);
    touch(2 * (queries + keys));
  }

  void gemm(std::int64_t n, std::int64_t k) { gemm(n, k, tokens_); }
  void gemm(std::int64_t n, std::int64_t k, std::int64_t tokens) {
    work_ += pricing_.product(tokens, n, k, pricing_.precision.attention);
  }
  // Of what a product before it has read.
  void gemm_again(std::int64_t n, std::int64_t k) {
    work_ += pricing_.product(tokens_, n, k, pricing_.precision.attention, /*again=*/true);
  }

  // One small GEMM a head, in one launch; weights in the activations' format.
  void batched(std::int64_t tokens, std::int64_t heads, std::int64_t n, std::int64_t k) {
    const std::vector<std::int64_t> rows(static_cast<std::size_t>(heads), tokens);
    work_ += pricing_.kernels.grouped_gemm(
        {.rows = rows, .n = n, .k = k, .precision = pricing_.precision.activations},
        pricing_.share);
  }

  // Keys and values of every head from the latent ones, those that are there included: the cache
  // holds nothing else (vLLM's _compute_prefill_context). The kernels of prefill take queries and
  // keys with the rotated part beside the rest, in one array: it is copied there, and of the keys
  // the rest too (SGLang and vLLM: k[..., :nope] = k_nope; k[..., nope:] = k_rope; q[..., nope:] =
  // …).
  void expand_keys(const BatchShape& part, const MlaAttention& a, std::int64_t heads) {
    const std::int64_t keys = part.sequences * part.kv_length;
    gemm(heads * (a.nope_dim + a.value_dim), a.kv_lora_rank, keys);
    touch(2 * heads * a.rope_dim, part.tokens());
    touch(heads * (2 * a.nope_dim + a.rope_dim) + a.rope_dim, keys);
  }

  // Numbers a token, read or written by element-wise kernels.
  void touch(std::int64_t numbers) { touch(numbers, tokens_); }
  void touch(std::int64_t numbers, std::int64_t tokens) {
    const double bytes = static_cast<double>(tokens * numbers) *
                         hardware::bytes_per_element(pricing_.precision.activations);
    work_ +=
        pricing_.kernels.elementwise({.bytes = sim::Bytes(std::llround(bytes))}, pricing_.share);
  }

  // A state of so many fp32 numbers a sequence: decode reads and writes it; prefill, in chunks of
  // 64 tokens (the width that flash-linear-attention works in), does two GEMMs' worth a chunk.
  void state(std::int64_t numbers) {
    constexpr std::int64_t kChunk = 64;
    for (const auto& [own, core] : parts_) {
      const std::int64_t passes =
          own.phase == StepPhase::Decode ? 1 : (own.query_length + kChunk - 1) / kChunk;
      work_ += pricing_.kernels.elementwise(
          {.bytes = sim::Bytes(own.sequences * passes * 2 * 4 * numbers)}, pricing_.share);
    }
  }

  // Of the keys that a token sees, those that lie on the cp rank with the most of them.
  std::int64_t keys_here(const BatchShape& part, std::int64_t keys) const {
    return part.phase == StepPhase::Decode ? part_of(keys, pricing_.cp, 0) : keys;
  }

  // Results of a rank's part of the keys are weighed before they are added up over cp ranks.
  void merge(const BatchShape& part, std::int64_t numbers) {
    if (pricing_.cp > 1 && part.phase == StepPhase::Decode) touch(2 * numbers, part.tokens());
  }

  void core(const BatchShape& part, const GqaAttention& a, std::int64_t heads,
            std::int64_t kv_heads, std::int64_t keys, std::int64_t window) {
    if (pricing_.cp > 1 && window > 0 && part.phase == StepPhase::Decode) {
      keys = std::min(keys, std::exchange(window, 0));
    }
    attend(part, a, heads, kv_heads, keys_here(part, keys), window);
  }

  void attend(const BatchShape& part, const GqaAttention& a, std::int64_t heads,
              std::int64_t kv_heads, std::int64_t keys, std::int64_t window) {
    if (keys == 0) return;
    work_ += pricing_.kernels.attention({.batch = part.sequences,
                                         .prompt = part.phase == StepPhase::Prefill,
                                         .query_length = part.query_length,
                                         .kv_length = keys,
                                         .heads = heads,
                                         .kv_heads = kv_heads,
                                         .head_dim = a.head_dim,
                                         .window = window,
                                         .precision = pricing_.precision.activations,
                                         .kv_precision = pricing_.precision.kv_cache},
                                        pricing_.share);
  }

  void mla_core(const BatchShape& part, const MlaAttention& a, std::int64_t heads) {
    std::int64_t keys = part.kv_length;
    if (a.index.top_k > 0) keys = std::min(keys, a.index.top_k);
    work_ += pricing_.kernels.mla({.batch = part.sequences,
                                   .prompt = part.phase == StepPhase::Prefill,
                                   .query_length = part.query_length,
                                   .kv_length = keys_here(part, keys),
                                   .heads = heads,
                                   .kv_lora_rank = a.kv_lora_rank,
                                   .rope_dim = a.rope_dim,
                                   .nope_dim = a.nope_dim,
                                   .value_dim = a.value_dim,
                                   .precision = pricing_.precision.activations,
                                   .kv_precision = pricing_.precision.kv_cache},
                                  pricing_.share);
  }

  // The lightning indexer: its projections, and a score of every key for every query in fp8, by a
  // kernel of its own that reads keys once for all heads and has no values. It is priced as an
  // attention of the same arithmetic: half as wide, since attention does as much with values as
  // with keys, and of at most 32 heads a key, wider instead, beyond which some attention kernels
  // read keys anew for each.
  void index(const SparseIndex& a, std::int64_t query_input) {
    gemm_again(a.heads * a.head_dim, query_input);
    gemm_again(a.head_dim + a.heads, pricing_.model.hidden);
    constexpr std::int64_t kMostHeads = 32;
    const std::int64_t folded = (a.heads + kMostHeads - 1) / kMostHeads;
    for (const auto& [own, part] : parts_) {
      work_ += pricing_.kernels.attention(
          {.batch = part.sequences,
           .prompt = part.phase == StepPhase::Prefill,
           .query_length = part.query_length,
           .kv_length = keys_here(part, part.kv_length),
           .heads = a.heads / folded,
           .kv_heads = 1,
           .head_dim = std::max<std::int64_t>(1, a.head_dim * folded / 2),
           .precision = Precision::FP8,
           .kv_precision = Precision::FP8},
          pricing_.share);
    }
  }

  const LayerPricing& pricing_;
  std::vector<ContextPart> parts_;
  std::int64_t tokens_ = 0;
  Work work_;
};

}  // namespace

Work mixer_work(const LayerPricing& pricing, const Mixer& mixer, const RankBatch& batch) {
  return std::visit(Pricer(pricing, batch), mixer);
}

std::optional<Work> core_work(const LayerPricing& pricing, const Mixer& mixer,
                              const BatchShape& part) {
  return Pricer(pricing, {part}).core(mixer);
}

Work cross_attention_work(const LayerPricing& pricing, const GqaAttention& attention,
                          const RankBatch& batch) {
  return Pricer(pricing, batch).cross(attention);
}

}  // namespace moesim::workloads
