// FLOP and bytes a token (the second half of counts.h).
#include <algorithm>
#include <cmath>
#include <limits>

#include "workloads/model/counts.h"

namespace moesim::workloads {

namespace {

using hardware::Precision;

bool below_16_bits(Precision p) {
  return hardware::bytes_per_element(p) < 2;
}

// The mean number of keys a token of a prompt of `tokens` sees: token i (from 1) sees i, or the
// window.
double mean_keys(std::int64_t tokens, std::int64_t window) {
  const auto n = static_cast<double>(tokens);
  if (tokens <= 0) return 0;
  if (window <= 0 || window >= tokens) return (n + 1) / 2;
  const auto w = static_cast<double>(window);
  return (w * (w + 1) / 2 + (n - w) * w) / n;
}

double keys_at(std::int64_t context, std::int64_t window) {
  return static_cast<double>(window > 0 ? std::min(context, window) : context);
}

// FLOP of the attention core for one token, by the number of keys it sees.
struct MixerFlops {
  std::int64_t context;  // a prompt's tokens, or the cache's length
  bool decode;

  double keys(std::int64_t window) const {
    return decode ? keys_at(context, window) : mean_keys(context, window);
  }

  double operator()(const NoMixer&) const { return 0; }
  double operator()(const LstmMixer&) const { return 0; }
  double operator()(const GqaAttention& a) const {
    const double scored = keys(a.window);
    const double seen = a.index.top_k > 0 ? std::min(keys(a.index.top_k), scored) : scored;
    return 2 * seen * static_cast<double>(a.heads * (a.head_dim + a.value_head())) +
           2 * scored * static_cast<double>(a.index.heads * a.index.head_dim);
  }
  double operator()(const MlaAttention& a) const {
    const double scored = keys(0);
    const double seen = a.index.top_k > 0 ? keys(a.index.top_k) : scored;
    const std::int64_t width =
        decode ? a.cache_width() + a.kv_lora_rank : a.query_head() + a.value_dim;
    return 2 * seen * static_cast<double>(a.heads * width) +
           2 * scored * static_cast<double>(a.index.heads * a.index.head_dim);
  }
  double operator()(const CompressedAttention& a) const {
    double seen = keys(a.window);
    double flops = 0;
    if (a.compress > 0) {
      const double blocks = keys(0) / static_cast<double>(a.compress);
      seen += a.index.top_k > 0 ? std::min(blocks, static_cast<double>(a.index.top_k)) : blocks;
      flops += 2 * blocks * static_cast<double>(a.index.heads * a.index.head_dim);
    }
    return flops + 4 * seen * static_cast<double>(a.heads * a.head_dim);
  }
  // A state of key_dim x value_dim a head: decayed, updated by an outer product, read by the query;
  // the delta rule reads it once more to correct.
  double operator()(const LinearAttention& a) const {
    const auto state = static_cast<double>(a.value_heads * a.key_dim * a.value_dim);
    if (a.kind == LinearKind::ShortConvolution) {
      return 2 * static_cast<double>(a.convolution * a.value_heads * a.value_dim);
    }
    return (a.kind == LinearKind::Lightning ? 5 : 7) * state;
  }
  double operator()(const MambaMixer& m) const {
    return 5 * static_cast<double>(m.inner() * m.state);
  }
};

TokenFlops flops_of(const ModelSpec& model, LayerRange layers, std::int64_t context, bool decode) {
  TokenFlops sum;
  for (std::int64_t l = layers.first; l < layers.last; ++l) {
    const LayerKind& kind = model.layer(l);
    const LayerParams p = layer_params(kind, model.hidden);
    sum.weights += 2 * static_cast<double>(p.mixer.matrices() + p.dense + p.shared + p.router +
                                           p.latent + p.expert * p.active_experts);
    sum.attention += std::visit(MixerFlops{context, decode}, kind.mixer);
    if (kind.cross) {
      // The keys and values of the encoder's result are projected once a prompt.
      sum.weights += 2 * static_cast<double>(p.cross.by_heads);
      sum.attention += MixerFlops{context, true}(*kind.cross);
    }
  }
  return sum;
}

double head_flops(const ModelSpec& model) {
  return model.head ? 2 * static_cast<double>(model.vocab * model.hidden) : 0;
}

}  // namespace

TokenFlops prefill_flops(const ModelSpec& model, std::int64_t tokens, bool every_logit) {
  // A token of an encoder sees the whole prompt, as a generated one sees its cache.
  const bool encoder = model.encoder_layers > 0;
  TokenFlops sum = flops_of(model, model.prefill_layers(), tokens, encoder);
  for (std::int64_t l = model.encoder_layers; encoder && l < model.layer_count(); ++l) {
    const LayerParams p = layer_params(model.layer(l), model.hidden);
    sum.weights += 2 * static_cast<double>(p.cross.by_kv_heads);
  }
  const auto heads = static_cast<double>(every_logit ? 1 : std::max<std::int64_t>(tokens, 1));
  sum.weights += head_flops(model) / heads;
  return sum;
}

TokenFlops decode_flops(const ModelSpec& model, std::int64_t context) {
  TokenFlops sum = flops_of(model, model.decode_layers(), context, true);
  sum.weights += head_flops(model);
  return sum;
}

double training_flops(const ModelSpec& model, std::int64_t tokens) {
  TokenFlops forward = prefill_flops(model, tokens, true);
  if (model.encoder_layers > 0) {
    const TokenFlops decoder = flops_of(model, model.decode_layers(), tokens, false);
    forward.weights += decoder.weights;
    forward.attention += decoder.attention;
  }
  return 3 * forward.total();
}

Formats precision_of_weights(const ModelSpec& model, Precision precision) {
  Formats stored;
  if (!below_16_bits(precision)) {
    stored.other = stored.experts = stored.shared_experts = stored.attention = stored.dense_ffn =
        precision;
    return stored;
  }
  const Formats& own = model.stored;
  const bool quantised = below_16_bits(own.experts) || below_16_bits(own.dense_ffn);
  const auto of = [&](Precision part) {
    return quantised && !below_16_bits(part) ? Precision::BF16 : precision;
  };
  stored.experts = precision;
  stored.shared_experts = of(own.shared_experts);
  stored.attention = of(own.attention);
  stored.dense_ffn = model.is_moe() ? of(own.dense_ffn) : precision;
  stored.int4_scale_bytes = own.int4_scale_bytes;
  return stored;
}

double WeightBytes::total() const {
  return embedding + head + attention + dense_ffn + experts + shared_experts + other;
}

WeightBytes& WeightBytes::operator+=(const WeightBytes& b) {
  embedding += b.embedding, head += b.head, attention += b.attention, dense_ffn += b.dense_ffn;
  experts += b.experts, shared_experts += b.shared_experts, other += b.other;
  prediction += b.prediction;
  return *this;
}

namespace {

double bytes_of(std::int64_t params, Precision p, const Formats& stored) {
  return static_cast<double>(params) * stored.weight_bytes(p);
}

double expert_bytes(const LayerParams& p, const Formats& stored) {
  return static_cast<double>(p.expert) * stored.expert_bytes() +
         bytes_of(p.expert_vectors, stored.other, stored);
}

}  // namespace

WeightBytes layer_weight_bytes(const LayerParams& p, const Formats& stored) {
  WeightBytes sum;
  sum.attention =
      static_cast<double>(p.mixer.matrices() + p.cross.matrices()) * stored.attention_bytes() +
      bytes_of(p.mixer.vectors + p.cross.vectors, stored.other, stored);
  sum.dense_ffn = static_cast<double>(p.dense) * stored.dense_ffn_bytes() +
                  bytes_of(p.dense_vectors, stored.other, stored);
  sum.experts = expert_bytes(p, stored) * static_cast<double>(p.experts);
  sum.shared_experts = static_cast<double>(p.shared) * stored.shared_expert_bytes() +
                       bytes_of(p.shared_vectors, stored.other, stored);
  sum.other = bytes_of(p.router + p.router_vectors + p.latent + p.norms, stored.other, stored);
  return sum;
}

WeightBytes weight_bytes(const ModelSpec& model, const Formats& stored) {
  WeightBytes sum;
  for (const std::size_t k : model.layers) {
    sum += layer_weight_bytes(layer_params(model.kinds[k], model.hidden), stored);
  }
  const ModelParams params = count_params(model);
  sum.embedding = bytes_of(params.embedding, stored.other, stored);
  sum.head = bytes_of(params.head, stored.other, stored);
  sum.other += bytes_of(params.other + params.unused + model.final_norms * model.hidden,
                        stored.other, stored);
  if (model.prediction_layers > 0) {
    const double layer =
        layer_weight_bytes(layer_params(model.kinds[model.prediction_kind], model.hidden), stored)
            .total();
    const double join =
        bytes_of(2 * model.hidden * model.hidden + 3 * model.hidden, stored.other, stored);
    sum.prediction = static_cast<double>(model.prediction_layers) * (layer + join);
  }
  return sum;
}

namespace {

struct MixerCache {
  double element;

  LayerCache operator()(const NoMixer&) const { return {}; }
  LayerCache operator()(const LstmMixer& m) const {
    return {.state_bytes = 2 * element * static_cast<double>(m.units)};
  }
  LayerCache operator()(const GqaAttention& a) const {
    if (a.reuses_cache) return {};
    const double index = index_bytes(a.index);
    return {
        .bytes_per_token = element * static_cast<double>(a.key_width() + a.value_width()) + index,
        .window = a.window,
        .index_bytes_per_token = index,
        .entries_read = a.index.top_k};
  }
  LayerCache operator()(const MlaAttention& a) const {
    // The indexer's key is kept in fp8 with an fp32 scale for 128 numbers (DeepSeek-V3.2).
    const double index = index_bytes(a.index);
    return {.bytes_per_token = element * static_cast<double>(a.cache_width()) + index,
            .index_bytes_per_token = index,
            .entries_read = a.index.top_k};
  }
  LayerCache operator()(const CompressedAttention& a) const {
    const double raw = element * static_cast<double>(a.head_dim);
    if (a.compress == 0) return {.bytes_per_token = raw, .window = a.window};
    return {.bytes_per_token = raw + index_bytes(a.index),
            .compress = a.compress,
            .window_bytes_per_token = raw,
            .window_beside = a.window,
            .index_bytes_per_token = index_bytes(a.index),
            .entries_read = a.index.top_k};
  }
  // The state is kept in fp32, the convolution's last inputs in 16 bits.
  LayerCache operator()(const LinearAttention& a) const {
    const std::int64_t taps = std::max<std::int64_t>(a.convolution - 1, 0);
    if (a.kind == LinearKind::ShortConvolution) {
      return {.state_bytes = 2 * static_cast<double>(taps * a.value_heads * a.value_dim)};
    }
    return {.state_bytes = 4 * static_cast<double>(a.value_heads * a.key_dim * a.value_dim) +
                           2 * static_cast<double>(taps * (2 * a.key_heads * a.key_dim +
                                                           a.value_heads * a.value_dim))};
  }
  LayerCache operator()(const MambaMixer& m) const {
    const std::int64_t taps = std::max<std::int64_t>(m.convolution - 1, 0);
    const std::int64_t convolved = m.inner() + (m.dt_rank > 0 ? 0 : 2 * m.groups * m.state);
    return {.state_bytes = 4 * static_cast<double>(m.inner() * m.state) +
                           2 * static_cast<double>(taps * convolved)};
  }

  static double index_bytes(const SparseIndex& index) {
    if (index.heads == 0) return 0;
    return static_cast<double>(index.head_dim) +
           4 * std::ceil(static_cast<double>(index.head_dim) / 128);
  }
};

}  // namespace

LayerCache layer_cache(const LayerKind& kind, Precision kv) {
  const MixerCache count{hardware::bytes_per_element(kv)};
  LayerCache cache = std::visit(count, kind.mixer);
  if (kind.cross) cache.bytes_per_token += count(*kind.cross).bytes_per_token;
  return cache;
}

double LayerCache::bytes(std::int64_t tokens) const {
  const auto within = [&](std::int64_t limit) {
    return static_cast<double>(limit > 0 ? std::min(tokens, limit) : tokens);
  };
  return bytes_per_token * within(window) / static_cast<double>(compress) +
         window_bytes_per_token * within(window_beside) + state_bytes;
}

double LayerCache::read_bytes(std::int64_t tokens) const {
  if (entries_read == 0) return bytes(tokens);
  const auto entries = static_cast<double>(window > 0 ? std::min(tokens, window) : tokens) /
                       static_cast<double>(compress);
  const double skipped = std::max(entries - static_cast<double>(entries_read), 0.0);
  return bytes(tokens) - skipped * (bytes_per_token - index_bytes_per_token);
}

double kv_bytes_per_token(const ModelSpec& model, Precision kv) {
  double sum = 0;
  const LayerRange layers = model.decode_layers();
  for (std::int64_t l = layers.first; l < layers.last; ++l) {
    const LayerCache cache = layer_cache(model.layer(l), kv);
    sum +=
        cache.bytes_per_token / static_cast<double>(cache.compress) + cache.window_bytes_per_token;
  }
  return sum;
}

double kv_bytes(const ModelSpec& model, Precision kv, std::int64_t tokens) {
  double sum = 0;
  const LayerRange layers = model.decode_layers();
  for (std::int64_t l = layers.first; l < layers.last; ++l) {
    sum += layer_cache(model.layer(l), kv).bytes(tokens);
  }
  return sum;
}

DecodeBytes decode_bytes(const ModelSpec& model, const Formats& stored, Precision kv,
                         std::int64_t context) {
  DecodeBytes read;
  const LayerRange layers = model.decode_layers();
  for (std::int64_t l = layers.first; l < layers.last; ++l) {
    const LayerParams p = layer_params(model.layer(l), model.hidden);
    read.weights += layer_weight_bytes(p, stored).total() -
                    expert_bytes(p, stored) * static_cast<double>(p.experts - p.active_experts);
  }
  read.weights += bytes_of(model.final_norms * model.hidden, stored.other, stored);
  // The head whole, one row of the embedding.
  read.weights +=
      bytes_of((model.head ? model.vocab * model.hidden : 0) + model.hidden, stored.other, stored);
  for (std::int64_t l = layers.first; l < layers.last; ++l) {
    read.cache += layer_cache(model.layer(l), kv).read_bytes(context);
  }
  return read;
}

DenseEquivalents dense_equivalents(const ModelSpec& model) {
  const ModelParams p = count_params(model);
  return {.equal_flop_params = p.active(), .equal_size_params = p.total()};
}

}  // namespace moesim::workloads
