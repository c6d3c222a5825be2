// What a layer keeps in memory, by the kinds of its mixer and of its FFN. Each question is a visit
// that names every kind: one that is added answers here, or nothing compiles. Formulas:
// workloads/model/README.md.
#pragma once

#include <cstdint>

#include "workloads/model/layers.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// The part of a layer's cache that one of tp ranks holds: a key-value head is never cut, a latent
// is held by all, a state goes with the heads.
double cache_share(const Mixer& mixer, std::int64_t tp);

// The part of the parameters by key-value heads (MixerParams::by_kv_heads) that one of them holds.
double kv_weight_share(const Mixer& mixer, std::int64_t tp);

// Numbers of a token that are alive at once within the mixer, on one of tp ranks, beside its result
// in the hidden width; 0: no mixer.
double alive_in_mixer(const Mixer& mixer, std::int64_t tp);

// Numbers inside an FFN: of its first product (two where gated), and what the second reads.
double inside_ffn(double inter, bool gated);

// What the layer sends to other ranks' experts: numbers of a token, of how many experts; none where
// it has no experts.
struct Exchanged {
  std::int64_t width = 0, experts = 0;
};
Exchanged exchanged_by(const Ffn& ffn, std::int64_t hidden);

// Numbers that a layer keeps for its backward pass, for each token of a rank (before it is divided
// among tp by sequence or heads) or for each row of an expert.
struct Kept {
  double divided = 0;           // of a token, divided over tp
  double replicated = 0;        // of a token, on every tp rank
  double norms = 0;             // of `divided`: results of norms
  double attention = 0;         // of `divided`: queries, keys, values of latent attention
  double dense = 0;             // of `divided`: the dense FFN's inside
  double shared = 0;            // of `divided`: the inside of shared experts
  std::int64_t token_rows = 0;  // experts that a token is a row of
  double row = 0;               // of a row, in all
  double row_act = 0;           // of `row`: the result of the activation
};
Kept kept_for_backward(const LayerKind& kind, std::int64_t hidden, std::int64_t etp);

}  // namespace moesim::workloads
