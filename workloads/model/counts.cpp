#include "workloads/model/counts.h"

#include <algorithm>
#include <limits>

namespace moesim::workloads {

namespace {

MixerParams index_params(const SparseIndex& index, std::int64_t query_rank, std::int64_t hidden) {
  // Queries from the low-rank queries, one key a token, a weight a head, LayerNorm of the key.
  if (index.heads == 0) return {};
  return {.replicated = query_rank * index.heads * index.head_dim + hidden * index.head_dim +
                        hidden * index.heads,
          .vectors = 2 * index.head_dim};
}

// A compressor of DeepSeek-V4: a value and a gate a token, each `overlap` times as wide as the
// compressed key, a bias of positions in the block, and a norm.
std::int64_t compressor(std::int64_t hidden, std::int64_t width, std::int64_t overlap) {
  return 2 * hidden * width * overlap;
}
std::int64_t compressor_vectors(std::int64_t width, std::int64_t overlap, std::int64_t block) {
  return block * width * overlap + width;
}

struct CountMixer {
  std::int64_t hidden;

  MixerParams operator()(const NoMixer&) const { return {}; }

  MixerParams operator()(const GqaAttention& a) const {
    MixerParams p;
    const std::int64_t kv_width =
        a.reuses_cache ? 0 : a.key_width() + (a.key_is_value ? 0 : a.value_width());
    p.by_heads = (a.query_rank > 0 ? a.query_rank : hidden) * a.query_width() +
                 a.output_width() * hidden + hidden * a.output_gate;
    p.replicated = hidden * a.query_rank;
    p.by_kv_heads = hidden * kv_width;
    p.vectors = a.query_rank;
    if (a.qk_norm == QkNorm::PerHead) p.vectors += (a.reuses_cache ? 1 : 2) * a.head_dim;
    if (a.qk_norm == QkNorm::PerLayer) p.vectors += a.query_width() + a.key_width();
    if (a.qkv_bias) p.vectors += a.query_width() + kv_width;
    if (a.output_bias) p.vectors += hidden;
    if (a.sinks) p.vectors += a.heads;
    const MixerParams index = index_params(a.index, hidden, hidden);
    p.replicated += index.replicated;
    p.vectors += index.vectors;
    return p;
  }

  MixerParams operator()(const MlaAttention& a) const {
    MixerParams p;
    const std::int64_t queries = a.heads * a.query_head();
    if (a.q_lora_rank > 0) {
      p.replicated += hidden * a.q_lora_rank;
      p.by_heads += a.q_lora_rank * queries;
      p.vectors += a.q_lora_rank;
    } else {
      p.by_heads += hidden * queries;
    }
    p.replicated += hidden * a.cache_width();
    p.by_heads += a.kv_lora_rank * a.heads * (a.nope_dim + a.value_dim);
    p.by_heads += a.heads * a.value_dim * hidden;
    if (a.output_gate) p.by_heads += hidden * a.heads * a.value_dim;
    p.vectors += a.kv_lora_rank;
    const MixerParams index =
        index_params(a.index, a.q_lora_rank > 0 ? a.q_lora_rank : hidden, hidden);
    p.replicated += index.replicated;
    p.vectors += index.vectors;
    return p;
  }

  MixerParams operator()(const CompressedAttention& a) const {
    MixerParams p;
    p.replicated = hidden * a.q_lora_rank + hidden * a.head_dim;
    p.by_heads = a.q_lora_rank * a.heads * a.head_dim;
    // Each group of heads is projected to output_lora_rank, all groups together to hidden.
    p.by_heads += a.heads * a.head_dim * a.output_lora_rank;
    p.by_heads += a.output_groups * a.output_lora_rank * hidden;
    p.vectors = a.q_lora_rank + a.head_dim + a.heads;  // norms, a sink a head
    if (a.compress > 0) {
      p.replicated += compressor(hidden, a.head_dim, a.compress_overlap);
      p.vectors += compressor_vectors(a.head_dim, a.compress_overlap, a.compress);
    }
    if (a.index.heads > 0) {
      p.replicated += a.q_lora_rank * a.index.heads * a.index.head_dim + hidden * a.index.heads +
                      compressor(hidden, a.index.head_dim, a.compress_overlap);
      p.vectors += compressor_vectors(a.index.head_dim, a.compress_overlap, a.compress);
    }
    return p;
  }

  MixerParams operator()(const LinearAttention& a) const {
    MixerParams p;
    const std::int64_t keys = a.key_heads * a.key_dim;
    const std::int64_t values = a.value_heads * a.value_dim;
    p.by_heads = hidden * (2 * keys + values) + values * hidden;  // q, k, v, output
    p.vectors = a.convolution * (2 * keys + values);
    switch (a.kind) {
      case LinearKind::Lightning:
        p.by_heads += hidden * values;  // gate
        p.vectors += values;            // norm of the result
        break;
      case LinearKind::GatedDeltaNet:
        p.by_heads += hidden * values + 2 * hidden * a.value_heads;  // gate, beta and decay a head
        p.vectors += 2 * a.value_heads + a.value_dim;
        break;
      case LinearKind::KimiDelta:
        // Decay and gate through a rank of one head, beta a head.
        p.by_heads += hidden * a.key_dim + a.key_dim * keys + hidden * a.value_dim +
                      a.value_dim * values + hidden * a.key_heads;
        p.vectors += a.key_heads + keys + a.value_dim;
        break;
      case LinearKind::ShortConvolution:
        p.vectors = a.convolution * values;  // of the gated input alone
        break;
    }
    return p;
  }

  MixerParams operator()(const MambaMixer& m) const {
    MixerParams p;
    if (m.dt_rank > 0) {
      const std::int64_t chosen = m.dt_rank + 2 * m.state;  // time step, B, C
      p.by_heads =
          hidden * 2 * m.inner() + m.inner() * chosen + m.dt_rank * m.inner() + m.inner() * hidden;
      // Taps, bias of the step, state transition, skip; a norm of each of the chosen.
      p.vectors =
          m.inner() * (m.convolution + (m.convolution_bias ? 1 : 0) + 1 + m.state + 1) + chosen;
      return p;
    }
    const std::int64_t convolved = m.inner() + 2 * m.groups * m.state;
    // B and C of one group are on every rank.
    p.replicated = m.groups == 1 ? hidden * 2 * m.state : 0;
    p.by_heads = hidden * (m.inner() + convolved + m.heads) + m.inner() * hidden - p.replicated;
    p.vectors =
        convolved * (m.convolution + (m.convolution_bias ? 1 : 0)) + 3 * m.heads + m.inner();
    return p;
  }

  MixerParams operator()(const LstmMixer& m) const {
    // Four gates of the input and of the state, a bias each; a projection back where widths differ.
    MixerParams p;
    p.by_heads = 4 * m.units * (hidden + (m.units == hidden ? m.units : hidden));
    if (m.units != hidden) p.by_heads += m.units * hidden;
    p.vectors = 4 * m.units;
    return p;
  }
};

std::int64_t ffn_matrices(std::int64_t width, std::int64_t inter, bool gated) {
  return (gated ? 3 : 2) * width * inter;
}
std::int64_t ffn_biases(std::int64_t width, std::int64_t inter, bool gated, bool bias) {
  return bias ? (gated ? 2 : 1) * inter + width : 0;
}

// Adds an FFN's to a layer's.
struct CountFfn {
  std::int64_t hidden;
  LayerParams& p;

  void operator()(const NoFfn&) const {}

  void operator()(const DenseFfn& dense) const {
    p.dense = ffn_matrices(hidden, dense.inter, dense.gated);
    p.dense_vectors = ffn_biases(hidden, dense.inter, dense.gated, dense.bias);
  }

  void operator()(const MoeFfn& moe) const {
    const std::int64_t width = moe.dispatch_width(hidden);
    p.expert = ffn_matrices(width, moe.inter, moe.gated);
    p.expert_vectors = ffn_biases(width, moe.inter, moe.gated, moe.bias);
    p.experts = moe.experts;
    p.active_experts = moe.top_k;
    p.shared = ffn_matrices(hidden, moe.shared_width(), moe.gated);
    p.shared_vectors = moe.shared_gate ? hidden : 0;
    p.dense = ffn_matrices(hidden, moe.residual_inter, moe.gated);
    if (moe.residual_inter > 0 && moe.bias) {
      p.dense_vectors = ffn_biases(hidden, moe.residual_inter, moe.gated, true);
    }
    if (moe.latent > 0) p.latent = 2 * hidden * moe.latent;
    p.router = hidden * moe.experts * (moe.router.kind == RouterKind::NoisyTopK ? 2 : 1);
    p.router_vectors =
        (moe.router.bias ? moe.experts : 0) + (moe.router.linear_bias ? moe.experts : 0);
  }
};

}  // namespace

MixerParams mixer_params(const Mixer& mixer, std::int64_t hidden) {
  return std::visit(CountMixer{hidden}, mixer);
}

LayerParams layer_params(const LayerKind& kind, std::int64_t hidden) {
  LayerParams p;
  p.mixer = mixer_params(kind.mixer, hidden);
  if (kind.cross) p.cross = mixer_params(*kind.cross, hidden);
  p.norms = kind.norms * hidden;
  std::visit(CountFfn{hidden, p}, kind.ffn);
  return p;
}

std::int64_t LayerParams::total() const {
  return mixer.total() + cross.total() + dense + dense_vectors + routed() + shared +
         shared_vectors + router + router_vectors + latent + norms;
}

std::int64_t LayerParams::active() const {
  return total() - (expert + expert_vectors) * (experts - active_experts);
}

std::int64_t ModelParams::total() const {
  return embedding + head + attention + cross_attention + dense_ffn + router + experts +
         shared_experts + latent + norms + other + unused;
}

std::int64_t ModelParams::active() const {
  return total() - unused - idle_experts;
}

ModelParams count_params(const ModelSpec& model) {
  ModelParams sum;
  sum.embedding = model.vocab * model.hidden;
  sum.head = model.head && !model.tied_embeddings ? model.vocab * model.hidden : 0;
  sum.other = model.positions * model.hidden + model.other_params;
  sum.unused = model.unused_params;
  sum.norms = model.final_norms * model.hidden;
  for (const std::size_t k : model.layers) {
    const LayerParams p = layer_params(model.kinds[k], model.hidden);
    sum.attention += p.mixer.total();
    sum.cross_attention += p.cross.total();
    sum.dense_ffn += p.dense + p.dense_vectors;
    sum.router += p.router + p.router_vectors;
    sum.experts += p.routed();
    sum.shared_experts += p.shared + p.shared_vectors;
    sum.latent += p.latent;
    sum.norms += p.norms;
    sum.idle_experts += (p.expert + p.expert_vectors) * (p.experts - p.active_experts);
  }
  if (model.prediction_layers > 0) {
    // A layer, the projection of two inputs to one, and a norm for each input.
    const LayerParams p = layer_params(model.kinds[model.prediction_kind], model.hidden);
    const std::int64_t module = p.total() + 2 * model.hidden * model.hidden + 3 * model.hidden;
    sum.prediction = model.prediction_layers * module;
    sum.prediction_idle_experts =
        model.prediction_layers * (p.expert + p.expert_vectors) * (p.experts - p.active_experts);
  }
  return sum;
}

HeadlineParams headline_params(const ModelSpec& model) {
  const ModelParams p = count_params(model);
  const Counting& counting = model.counting;
  HeadlineParams h{p.total(), p.active()};
  if (counting.prediction_layers) {
    h.total += p.prediction;
    h.active += p.prediction - p.prediction_idle_experts;
  }
  if (!counting.embedding_in_total) h.total -= p.embedding;
  if (!counting.head_in_total) h.total -= p.head;
  if (!counting.embedding_in_active) h.active -= p.embedding;
  // A tied head is the embedding's matrix: it is counted once, as the head.
  if (!counting.embedding_in_active && model.tied_embeddings && counting.head_in_active) {
    h.active += p.embedding;
  }
  if (!counting.head_in_active) h.active -= p.head;
  return h;
}

}  // namespace moesim::workloads
