#include "workloads/memory/kept.h"

#include <variant>

namespace moesim::workloads {
namespace {

double number(std::int64_t n) {
  return static_cast<double>(n);
}

double share_of_heads(std::int64_t heads, std::int64_t tp) {
  return number((heads + tp - 1) / tp) / number(heads);
}

struct CacheShare {
  std::int64_t tp;

  double even() const { return 1.0 / number(tp); }
  double operator()(const NoMixer&) const { return even(); }
  double operator()(const GqaAttention& a) const { return share_of_heads(a.kv_heads, tp); }
  double operator()(const MlaAttention&) const { return 1; }  // one latent for all heads
  double operator()(const CompressedAttention&) const { return 1; }
  double operator()(const LinearAttention&) const { return even(); }
  double operator()(const MambaMixer&) const { return even(); }
  double operator()(const LstmMixer&) const { return even(); }
};

struct KvWeightShare {
  std::int64_t tp;

  double even() const { return 1.0 / number(tp); }
  double operator()(const NoMixer&) const { return even(); }
  double operator()(const GqaAttention& a) const { return share_of_heads(a.kv_heads, tp); }
  double operator()(const MlaAttention&) const { return even(); }
  double operator()(const CompressedAttention&) const { return even(); }
  double operator()(const LinearAttention&) const { return even(); }
  double operator()(const MambaMixer&) const { return even(); }
  double operator()(const LstmMixer&) const { return even(); }
};

struct AliveInMixer {
  std::int64_t tp;

  double over_tp(std::int64_t width) const { return number(width) / number(tp); }
  double operator()(const NoMixer&) const { return 0; }
  double operator()(const GqaAttention& a) const {
    return over_tp(a.query_width() + a.output_width() + a.output_gate) +
           number(a.key_width() + a.value_width()) * share_of_heads(a.kv_heads, tp);
  }
  // Queries, expanded keys and values, result; the two latents.
  double operator()(const MlaAttention& a) const {
    return over_tp(a.heads * (2 * a.query_head() + 2 * a.value_dim)) +
           number(a.q_lora_rank + a.cache_width());
  }
  double operator()(const CompressedAttention& a) const {
    return over_tp(2 * a.heads * a.head_dim) +
           number(a.q_lora_rank + a.head_dim + a.output_groups * a.output_lora_rank);
  }
  double operator()(const LinearAttention& a) const {
    return over_tp(2 * a.key_heads * a.key_dim + 3 * a.value_heads * a.value_dim);
  }
  double operator()(const MambaMixer& m) const {
    return over_tp(3 * m.inner() + 2 * m.groups * m.state + m.heads);
  }
  double operator()(const LstmMixer& m) const { return over_tp(6 * m.units); }
};

struct ExchangedBy {
  std::int64_t hidden;

  Exchanged operator()(const NoFfn&) const { return {}; }
  Exchanged operator()(const DenseFfn&) const { return {}; }
  Exchanged operator()(const MoeFfn& moe) const {
    return {.width = moe.dispatch_width(hidden), .experts = moe.experts};
  }
};

struct KeptByMixer {
  double hidden;

  // What comes in, and its norm.
  Kept with(double inside) const { return {.divided = 2 * hidden + inside, .norms = hidden}; }

  Kept operator()(const NoMixer&) const { return {}; }
  Kept operator()(const GqaAttention& a) const {
    const std::int64_t normed = a.qk_norm == QkNorm::None ? 0 : a.query_width() + a.key_width();
    return with(number(a.query_width() + a.key_width() + a.value_width()) +
                number(a.output_width() + a.output_gate) + 2 * number(a.heads) +  // fp32 log sums
                number(normed));
  }
  Kept operator()(const MlaAttention& a) const {
    const double inside = number(a.heads * (2 * a.query_head() + a.value_dim));
    Kept k = with(inside + number(a.heads * a.value_dim) + 2 * number(a.heads));
    k.attention = inside;
    // Each latent and its norm.
    k.replicated = 2 * number(a.q_lora_rank) + 2 * number(a.kv_lora_rank) + 2 * number(a.rope_dim);
    return k;
  }
  Kept operator()(const CompressedAttention& a) const {
    Kept k = with(2 * number(a.heads * a.head_dim) + number(a.output_groups * a.output_lora_rank));
    k.replicated = 2 * number(a.q_lora_rank) + 2 * number(a.head_dim);
    return k;
  }
  Kept operator()(const LinearAttention& a) const {
    return with(2 * number(2 * a.key_heads * a.key_dim) + 4 * number(a.value_heads * a.value_dim));
  }
  Kept operator()(const MambaMixer& m) const {
    return with(4 * number(m.inner()) + 4 * number(m.groups * m.state));
  }
  Kept operator()(const LstmMixer& m) const { return with(6 * number(m.units)); }
};

// Adds to what the mixer keeps.
struct KeepFfn {
  double hidden, etp;
  Kept& k;

  void come_in() const {
    k.divided += 2 * hidden;
    k.norms += hidden;
  }
  void operator()(const NoFfn&) const {}
  void operator()(const DenseFfn& d) const {
    come_in();
    k.dense = inside_ffn(number(d.inter), d.gated);
    k.divided += k.dense;
  }
  void operator()(const MoeFfn& moe) const {
    come_in();
    k.shared = inside_ffn(number(moe.shared_width()), moe.gated) +
               inside_ffn(number(moe.residual_inter), moe.gated);
    k.divided += k.shared;
    k.divided += 2 * number(moe.experts);  // fp32 scores
    k.token_rows = moe.top_k;
    k.row = moe.latent > 0 ? number(moe.latent) : hidden;
    k.row += inside_ffn(number(moe.inter), moe.gated) / etp;
    k.row_act = number(moe.inter) / etp;
  }
};

}  // namespace

double cache_share(const Mixer& mixer, std::int64_t tp) {
  return std::visit(CacheShare{tp}, mixer);
}

double kv_weight_share(const Mixer& mixer, std::int64_t tp) {
  return std::visit(KvWeightShare{tp}, mixer);
}

double alive_in_mixer(const Mixer& mixer, std::int64_t tp) {
  return std::visit(AliveInMixer{tp}, mixer);
}

double inside_ffn(double inter, bool gated) {
  return inter * (gated ? 3 : 2);
}

Exchanged exchanged_by(const Ffn& ffn, std::int64_t hidden) {
  return std::visit(ExchangedBy{hidden}, ffn);
}

Kept kept_for_backward(const LayerKind& kind, std::int64_t hidden, std::int64_t etp) {
  const KeptByMixer by_mixer{number(hidden)};
  Kept k = std::visit(by_mixer, kind.mixer);
  if (kind.cross) k.divided += by_mixer(*kind.cross).divided;
  std::visit(KeepFfn{number(hidden), number(etp), k}, kind.ffn);
  return k;
}

}  // namespace moesim::workloads
