// What a layer of a model is made of: its token mixer (attention and what stands in its place) and
// its feed-forward network. Plain numbers; what they cost in parameters, FLOP and bytes is in
// workloads/model/counts.h.
//
// Every width is a count of numbers (not bytes). 0 means "has none" unless said otherwise.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace moesim::workloads {

// How query and key vectors are normalised before they meet.
enum class QkNorm { None, PerHead, PerLayer };  // a weight vector of head_dim; of heads x head_dim

// The lightning indexer of DeepSeek Sparse Attention, and what scores blocks of keys in MiniMax-M3:
// scores all keys cheaply; attention then sees the top_k best.
struct SparseIndex {
  std::int64_t heads = 0;  // 0: the choice of a layer before is used, nothing is scored or cached
  std::int64_t head_dim = 0;
  std::int64_t top_k = 0;  // keys that attention sees at most; 0: no index
};

// Multi-head, grouped-query and multi-query attention, full or within a sliding window.
struct GqaAttention {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t value_dim = 0;  // of a value head; 0: as head_dim
  std::int64_t window = 0;     // keys a query sees at most; 0: all before it
  QkNorm qk_norm = QkNorm::None;
  bool qkv_bias = false;
  bool output_bias = false;
  bool sinks = false;         // one learned logit a head (gpt-oss)
  bool key_is_value = false;  // one projection gives both (Gemma 4's full layers)
  // Keys and values are those of the layer before: no projection and no cache of its own
  // (Hunyuan-Large's cross-layer attention).
  bool reuses_cache = false;
  // Queries go through this width, normalised, and up again (Step-3); 0: straight from hidden.
  std::int64_t query_rank = 0;
  // Width of a gate on the result: heads x head_dim (Qwen3.5), heads (Step-3), or 0.
  std::int64_t output_gate = 0;
  SparseIndex index = {};  // top_k == 0: none

  std::int64_t query_width() const { return heads * head_dim; }
  std::int64_t key_width() const { return kv_heads * head_dim; }
  std::int64_t value_head() const { return value_dim > 0 ? value_dim : head_dim; }
  std::int64_t value_width() const { return kv_heads * value_head(); }
  std::int64_t output_width() const { return heads * value_head(); }
};

// Multi-head latent attention (DeepSeek-V2). A token caches kv_lora_rank + rope_dim numbers a
// layer.
struct MlaAttention {
  std::int64_t heads = 0;
  std::int64_t q_lora_rank = 0;  // 0: queries are projected directly
  std::int64_t kv_lora_rank = 0;
  std::int64_t nope_dim = 0, rope_dim = 0, value_dim = 0;  // of one head
  SparseIndex index;                                       // top_k == 0: none
  bool output_gate = false;  // an elementwise gate of heads x value_dim (Kimi Linear)

  std::int64_t query_head() const { return nope_dim + rope_dim; }
  std::int64_t cache_width() const { return kv_lora_rank + rope_dim; }
};

// DeepSeek-V4's attention: one key-value head of head_dim, a sliding window of raw keys, and beyond
// it one compressed key for every `compress` tokens; the output projection goes through groups.
struct CompressedAttention {
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t q_lora_rank = 0;
  std::int64_t window = 0;
  std::int64_t compress = 0;          // tokens a compressed key stands for; 0: window only
  std::int64_t compress_overlap = 1;  // 2: each key is made of two neighbouring blocks
  std::int64_t output_groups = 0;     // the result is projected group by group to output_lora_rank
  std::int64_t output_lora_rank = 0;
  SparseIndex index;  // over the compressed keys; top_k == 0: all of them
};

// Layers with a state of fixed size in place of a cache.
enum class LinearKind {
  Lightning,         // MiniMax-Text-01: q, k, v, gate, output norm
  GatedDeltaNet,     // Qwen3-Next, Qwen3.5
  KimiDelta,         // Kimi Linear: per-channel decay by low-rank projections
  ShortConvolution,  // LFM2: a gated convolution of the last tokens, no other state; q, k, v are
                     // its two gates and its input, key_heads x key_dim wide each
};
struct LinearAttention {
  LinearKind kind = LinearKind::GatedDeltaNet;
  std::int64_t key_heads = 0, value_heads = 0;
  std::int64_t key_dim = 0, value_dim = 0;  // of one head
  std::int64_t convolution = 0;             // taps of the short convolution on q, k, v
};

// A Mamba-2 mixer, or a Mamba-1 one.
struct MambaMixer {
  std::int64_t heads = 0, head_dim = 0;
  std::int64_t groups = 0;       // of B and C
  std::int64_t state = 0;        // state numbers a channel
  std::int64_t convolution = 4;  // taps
  bool convolution_bias = true;
  // Mamba-1 (Jamba): B, C and the time step are projected from the convolved input, the step
  // through this rank, each normalised; a state transition a channel. 0: Mamba-2.
  std::int64_t dt_rank = 0;

  std::int64_t inner() const { return heads * head_dim; }
};

// A long short-term memory with an output projection back to the hidden width where the two differ.
struct LstmMixer {
  std::int64_t units = 0;
};

struct NoMixer {};

using Mixer = std::variant<NoMixer, GqaAttention, MlaAttention, CompressedAttention,
                           LinearAttention, MambaMixer, LstmMixer>;

// Two matrices, or three where gated (SwiGLU, GEGLU).
struct DenseFfn {
  std::int64_t inter = 0;
  bool gated = true;
  bool bias = false;
};

enum class RouterKind {
  SoftmaxTopK,  // softmax over all experts, then the top_k largest (Mixtral before renormalising)
  TopKSoftmax,  // the top_k largest logits, then softmax over those (gpt-oss)
  Sigmoid,      // sigmoid scores (Llama 4, and where `bias` balances without a loss: DeepSeek-V3)
  NoisyTopK,    // Gaussian noise of a learned size on the logits (Shazeer et al. 2017)
  Capacity,  // top_k with a fixed capacity an expert; tokens over it are dropped (Switch, GShard)
  ExpertChoice,  // each expert takes the tokens it scores highest (Zhou et al. 2022)
  Dense,         // every expert sees every token (Jacobs et al. 1991)
  Hash,          // by the token's id (DeepSeek-V4's first layers)
};

struct Router {
  RouterKind kind = RouterKind::SoftmaxTopK;
  bool bias = false;            // a bias an expert added for the choice only (loss-free balancing)
  bool linear_bias = false;     // a bias of the router's linear layer (gpt-oss)
  bool normalise = true;        // the chosen weights are scaled to sum to one
  double scaling = 1;           // and then multiplied by this
  std::int64_t groups = 1;      // experts are in so many groups ...
  std::int64_t top_groups = 1;  // ... of which a token may use so many (node-limited routing)
  double capacity_factor = 0;   // 0: dropless; else capacity = factor x tokens x top_k / experts
};

struct MoeFfn {
  std::int64_t experts = 0;  // routed ones
  std::int64_t top_k = 0;  // experts a token uses: all of them where the router is dense, the mean
                           // where experts choose
  std::int64_t inter = 0;  // of one expert
  bool gated = true;       // three matrices an expert, else two
  bool bias = false;
  std::int64_t shared_experts = 0;
  std::int64_t shared_inter = 0;    // of one shared expert
  bool shared_gate = false;         // a learned gate, hidden -> 1, on the shared experts
  std::int64_t residual_inter = 0;  // a dense FFN beside the experts (PR-MoE's fixed one, Arctic)
  std::int64_t latent = 0;  // experts live in this width, reached by a projection; 0: in hidden
  Router router;

  // Numbers a token carries to an expert and back: what dispatch and combine move.
  std::int64_t dispatch_width(std::int64_t hidden) const { return latent > 0 ? latent : hidden; }
  std::int64_t shared_width() const { return shared_experts * shared_inter; }
};

struct NoFfn {};

using Ffn = std::variant<NoFfn, DenseFfn, MoeFfn>;

}  // namespace moesim::workloads
