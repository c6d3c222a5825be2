// Parameters, FLOP and bytes of a model, counted exactly from its layers. Formulas, by part, are in
// workloads/model/README.md.
//
// A multiply-add is two FLOP. "Matrices" are what a quantised checkpoint quantises; "vectors" are
// norms, biases and the like, which stay in 16 bits.
#pragma once

#include <cstdint>
#include <vector>

#include "hardware/precision.h"
#include "sim/units.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// The parameters of one layer's token mixer, by what tensor parallelism does with them.
struct MixerParams {
  std::int64_t by_heads = 0;     // matrices divided over ranks with the heads
  std::int64_t by_kv_heads = 0;  // divided with the key-value heads; whole heads a rank at least
  std::int64_t replicated = 0;   // matrices every rank holds (MLA's down projections, the indexer)
  std::int64_t vectors = 0;

  std::int64_t matrices() const { return by_heads + by_kv_heads + replicated; }
  std::int64_t total() const { return matrices() + vectors; }
};
MixerParams mixer_params(const Mixer& mixer, std::int64_t hidden);

struct LayerParams {
  MixerParams mixer, cross;
  std::int64_t dense = 0, dense_vectors = 0;     // dense FFN, or the one beside the experts
  std::int64_t expert = 0, expert_vectors = 0;   // of one routed expert
  std::int64_t experts = 0, active_experts = 0;  // how many, and how many a token uses
  std::int64_t shared = 0, shared_vectors = 0;   // all shared experts together, with their gate
  std::int64_t router = 0, router_vectors = 0;
  std::int64_t latent = 0;  // projections to and from the experts' latent width
  std::int64_t norms = 0;

  std::int64_t routed() const { return (expert + expert_vectors) * experts; }
  std::int64_t total() const;
  std::int64_t active() const;  // all but the experts that a token does not use
};
LayerParams layer_params(const LayerKind& kind, std::int64_t hidden);

// Parameters of the whole model by part; the parts add up to total() exactly.
struct ModelParams {
  std::int64_t embedding = 0, head = 0;  // head: 0 where it is tied to the embedding
  std::int64_t attention = 0, cross_attention = 0, dense_ffn = 0;
  std::int64_t router = 0, experts = 0, shared_experts = 0, latent = 0, norms = 0;
  std::int64_t other = 0;         // learned positions, relative biases
  std::int64_t unused = 0;        // parts that text does not pass through: a vision tower
  std::int64_t prediction = 0;    // multi-token prediction modules; in no sum below
  std::int64_t idle_experts = 0;  // of `experts`: what one token does not use
  std::int64_t prediction_idle_experts = 0;  // of `prediction`

  std::int64_t total() const;   // of all parts but prediction
  std::int64_t active() const;  // total less unused and idle experts
};
ModelParams count_params(const ModelSpec& model);

// The figures as the model's authors count them (ModelSpec::counting): what a card prints first.
// Total and active of DeepSeek-V3 are 671.0 B and 37.6 B, of Mixtral 8x7B 46.7 B and 12.9 B: every
// parameter, and every parameter but unused experts. OpenAI counts gpt-oss' active ones without
// the embedding: 5.1 B.
struct HeadlineParams {
  std::int64_t total = 0, active = 0;
};
HeadlineParams headline_params(const ModelSpec& model);

// In which format each part of the weights is held.
// A precision of 16 bits or more is for all. Below that it is for the matrices that quantised
// checkpoints quantise (experts, shared experts, attention, dense FFN); embedding, head, router,
// norms and other vectors stay in bf16; parts that the model's own checkpoint keeps in 16 bits
// while it quantises others (gpt-oss' attention) stay so.
Formats precision_of_weights(const ModelSpec& model, hardware::Precision precision);

// Bytes of the weights by part, block scales included. The multi-token prediction modules are
// counted apart; they are in no sum.
struct WeightBytes {
  double embedding = 0, head = 0, attention = 0, dense_ffn = 0, experts = 0, shared_experts = 0;
  double other = 0;  // router, latent projections, norms, biases, positions, unused parts
  double prediction = 0;
  double total() const;
  WeightBytes& operator+=(const WeightBytes& b);
};
WeightBytes layer_weight_bytes(const LayerParams& layer, const Formats& stored);
WeightBytes weight_bytes(const ModelSpec& model, const Formats& stored);

// What one layer caches: bytes a token, up to `window` tokens a sequence (0: all), and a fixed
// state a sequence (linear attention, Mamba).
struct LayerCache {
  double bytes_per_token = 0;
  std::int64_t window = 0;
  std::int64_t compress = 1;          // one entry stands for so many tokens
  double window_bytes_per_token = 0;  // beside a compressed cache: raw entries, ...
  std::int64_t window_beside = 0;     // ... of so many tokens
  double state_bytes = 0;
  // Sparse attention: the index's share of bytes_per_token, which a decode step reads of all
  // tokens, and how many entries of the rest it reads at most (0: all).
  double index_bytes_per_token = 0;
  std::int64_t entries_read = 0;

  double bytes(std::int64_t tokens) const;       // of one sequence
  double read_bytes(std::int64_t tokens) const;  // of those, what a decode step reads
};
LayerCache layer_cache(const LayerKind& kind, hardware::Precision kv);

// Bytes a token adds to the cache of all layers while no window is full; cross attention, which
// grows with the prompt only, counts too. DeepSeek-V3 in bf16: 61 x 576 x 2 = 70,272.
double kv_bytes_per_token(const ModelSpec& model, hardware::Precision kv);
// Bytes of one sequence's cache at a length, windows and fixed states taken into account.
double kv_bytes(const ModelSpec& model, hardware::Precision kv, std::int64_t tokens);

// FLOP a token, forward. `weights`: 2 x the matrices it meets. `attention`: scores and values.
struct TokenFlops {
  double weights = 0, attention = 0;
  double total() const { return weights + attention; }
};
// A token of a prompt of `tokens`, on average under the causal mask; the head is for every token
// where `every_logit` (training), else for the last only.
TokenFlops prefill_flops(const ModelSpec& model, std::int64_t tokens, bool every_logit = false);
// One generated token with `context` tokens before it. Latent attention is absorbed: it scores in
// the compressed width.
TokenFlops decode_flops(const ModelSpec& model, std::int64_t context);
// Forward and backward of a token of a sequence of `tokens`: three times the forward, which has
// every logit.
double training_flops(const ModelSpec& model, std::int64_t tokens);

// Bytes that one decode step of one sequence reads: the weights it uses, and what it sees of its
// cache (sparse attention: the index, and the chosen entries).
struct DecodeBytes {
  double weights = 0, cache = 0;
};
DecodeBytes decode_bytes(const ModelSpec& model, const Formats& stored, hardware::Precision kv,
                         std::int64_t context);

// The two dense models that a mixture is compared with, by their parameters: neither is "its size".
struct DenseEquivalents {
  std::int64_t equal_flop_params = 0;  // a dense model that does the same work a token
  std::int64_t equal_size_params = 0;  // a dense model of the same size
};
DenseEquivalents dense_equivalents(const ModelSpec& model);

}  // namespace moesim::workloads
