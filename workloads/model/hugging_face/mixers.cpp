#include "workloads/model/hugging_face/mixers.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::workloads {

GqaAttention HfMixers::attention() const {
  GqaAttention a;
  const auto nested = config_.child("attn_config");
  static const HfConfig::Keys kHeads{"num_attention_heads", "n_heads", "n_head"};
  a.heads = config_.required(kHeads);
  const auto kv =
      nested && nested->has("kv_n_heads")
          ? nested->integer({"kv_n_heads"}, 1, kMostWidth)
          : config_.integer({"num_key_value_heads", "num_attention_groups"}, 1, kMostWidth);
  a.kv_heads = kv.value_or(a.heads);
  if (!config_.failed() && a.heads % a.kv_heads != 0) {
    config_.mistake(
        config_.spelled(kHeads),
        fmt::format("{} query heads do not share {} key heads evenly", a.heads, a.kv_heads));
  }
  const auto head_dim = config_.integer({"head_dim", "attention_head_dim"}, 1, kMostWidth);
  if (!head_dim && hidden_ % a.heads != 0) {
    config_.mistake(
        "head_dim",
        fmt::format("missing, and hidden_size {} does not divide by {} heads", hidden_, a.heads));
  }
  a.head_dim = head_dim.value_or(std::max<std::int64_t>(hidden_ / a.heads, 1));
  a.value_dim = config_.integer({"v_head_dim"}, 1, kMostWidth).value_or(0);
  a.qk_norm = family_ != nullptr ? family_->qk_norm : QkNorm::None;
  if (config_.flag({"use_qk_norm"}).value_or(false) && type() != "llama4_text") {
    a.qk_norm = config_.text({"qk_norm_type"}).value_or("per_head") == "per_layer"
                    ? QkNorm::PerLayer
                    : QkNorm::PerHead;
  }
  const bool by_key = config_.flag({"attention_bias", "qkv_bias"}).value_or(false);
  switch (family_ != nullptr ? family_->bias : BiasRule::AllByKey) {
    case BiasRule::Never:
      break;
    case BiasRule::QkvAlways:
      a.qkv_bias = true;
      break;
    case BiasRule::QkvByKey:
      a.qkv_bias = by_key;
      break;
    case BiasRule::AllByKey:
      a.qkv_bias = a.output_bias = by_key;
      break;
  }
  a.sinks = type() == "gpt_oss";
  const bool gated = config_.flag({"attn_output_gate"})
                         .value_or(type() == "qwen3_next" || type() == "qwen3_5_text" ||
                                   type() == "qwen3_5_moe_text" || type() == "afmoe");
  if (gated) a.output_gate = a.output_width();
  if (config_.flag({"use_head_wise_attn_gate"}).value_or(false)) a.output_gate = a.heads;
  a.query_rank = config_.integer({"share_q_dim"}, 1, kMostWidth).value_or(0);
  return a;
}

MambaMixer HfMixers::mamba() const {
  MambaMixer m;
  m.state = config_.required({"ssm_state_size", "mamba_d_state"});
  m.convolution = config_.integer({"conv_kernel", "mamba_d_conv"}, 1, 1024).value_or(4);
  m.convolution_bias = config_.flag({"use_conv_bias", "mamba_conv_bias"}).value_or(true);
  if (type() == "jamba") {  // Mamba-1, in channels
    m.heads = config_.required({"mamba_expand"}, 1024) * hidden_;
    m.head_dim = m.groups = 1;
    // Transformers' "auto": a rank for 16 channels of hidden.
    const bool by_width =
        config_.is_text("mamba_dt_rank") && config_.text({"mamba_dt_rank"}).value_or("") == "auto";
    m.dt_rank = by_width ? (hidden_ + 15) / 16 : config_.required({"mamba_dt_rank"});
    return m;
  }
  m.heads = config_.required({"mamba_num_heads", "mamba_n_heads"});
  m.head_dim = config_.required({"mamba_head_dim", "mamba_d_head"});
  m.groups = config_.required({"n_groups", "mamba_n_groups"});
  return m;
}

MlaAttention HfMixers::mla() const {
  MlaAttention a;
  a.heads = config_.required({"num_attention_heads"});
  // Stated by many configs, and without meaning for latent attention.
  for (const char* key : {"num_key_value_heads", "head_dim", "qk_head_dim"}) config_.has(key);
  a.q_lora_rank =
      config_.integer({"q_lora_rank", "attention_q_lora_dim"}, 1, kMostWidth).value_or(0);
  a.kv_lora_rank = config_.required({"kv_lora_rank", "attention_kv_lora_dim"});
  a.nope_dim = config_.required({"qk_nope_head_dim", "attention_qk_dim"});
  a.rope_dim = config_.required({"qk_rope_head_dim", "attention_qk_rope_dim"});
  a.value_dim = config_.required({"v_head_dim", "attention_v_dim"});
  a.index = index();
  a.output_gate = config_.flag({"mla_use_output_gate"}).value_or(false);
  return a;
}

SparseIndex HfMixers::index() const {
  SparseIndex i;
  const auto top_k = config_.integer({"index_topk"}, 1, kMostTokens);
  if (!top_k) return i;
  i.top_k = *top_k;
  i.heads = config_.required({"index_n_heads"});
  i.head_dim = config_.required({"index_head_dim"});
  return i;
}

LinearAttention HfMixers::delta_net() const {
  LinearAttention a;
  a.kind = LinearKind::GatedDeltaNet;
  a.key_heads = config_.required({"linear_num_key_heads"});
  a.value_heads = config_.required({"linear_num_value_heads"});
  a.key_dim = config_.required({"linear_key_head_dim"});
  a.value_dim = config_.required({"linear_value_head_dim"});
  a.convolution = config_.integer({"linear_conv_kernel_dim"}, 0, 1024).value_or(4);
  return a;
}

LinearAttention HfMixers::short_convolution() const {
  return {.kind = LinearKind::ShortConvolution,
          .key_heads = 1,
          .value_heads = 1,
          .key_dim = hidden_,
          .value_dim = hidden_,
          .convolution = config_.required({"conv_L_cache"}, 1024)};
}

GqaAttention HfMixers::full(GqaAttention a) const {
  if (type() != "gemma4_text") return a;
  a.head_dim = config_.integer({"global_head_dim"}, 1, kMostWidth).value_or(a.head_dim);
  a.key_is_value = config_.flag({"attention_k_eq_v"}).value_or(false);
  const auto kv = config_.integer({"num_global_key_value_heads"}, 1, kMostWidth);
  if (kv && a.key_is_value) a.kv_heads = *kv;
  return a;
}

void HfMixers::step_window(GqaAttention& a) const {
  const auto other = config_.child("attention_other_setting");
  if (!other) return;
  other->text({"attention_type"});
  a.heads = other->integer({"num_attention_heads"}, 1, kMostWidth).value_or(a.heads);
  a.kv_heads = other->integer({"num_attention_groups", "num_key_value_heads"}, 1, kMostWidth)
                   .value_or(a.kv_heads);
  a.head_dim = other->integer({"head_dim"}, 1, kMostWidth).value_or(a.head_dim);
  if (a.output_gate > 0) a.output_gate = a.heads;
}

}  // namespace moesim::workloads
