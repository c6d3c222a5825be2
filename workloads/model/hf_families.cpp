#include "workloads/model/hf_families.h"

#include <algorithm>

namespace moesim::workloads {

namespace {

// Without the embedding's rows, which a token only looks up.
constexpr Counting kNoEmbeddingActive{.embedding_in_active = false};
// Layers only.
constexpr Counting kLayersActive{.embedding_in_active = false, .head_in_active = false};

const std::vector<HfFamily>& families() {
  using R = RouterKind;
  static const std::vector<HfFamily> list{
      {.type = "llama", .keys = {"intermediate_size"}},
      {.type = "mistral",
       .keys = {"intermediate_size", "num_key_value_heads"},
       .bias = BiasRule::Never},
      {.type = "qwen2",
       .keys = {"intermediate_size", "num_key_value_heads"},
       .bias = BiasRule::QkvAlways},
      {.type = "qwen3",
       .keys = {"intermediate_size", "num_key_value_heads", "head_dim"},
       .qk_norm = QkNorm::PerHead},
      {.type = "mixtral",
       .keys = {"num_local_experts", "num_experts_per_tok", "intermediate_size",
                "num_key_value_heads"},
       .bias = BiasRule::Never},
      {.type = "qwen2_moe",
       .keys = {"num_experts", "num_experts_per_tok", "moe_intermediate_size",
                "shared_expert_intermediate_size", "num_key_value_heads"},
       .bias = BiasRule::QkvAlways},
      {.type = "qwen3_moe",
       .keys = {"num_experts|num_local_experts", "num_experts_per_tok", "moe_intermediate_size",
                "num_key_value_heads", "head_dim"},
       .qk_norm = QkNorm::PerHead},
      {.type = "qwen3_vl_moe_text",
       .keys = {"num_experts|num_local_experts", "num_experts_per_tok", "moe_intermediate_size",
                "num_key_value_heads", "head_dim"},
       .qk_norm = QkNorm::PerHead},
      {.type = "qwen3_vl_text",
       .keys = {"intermediate_size", "num_key_value_heads", "head_dim"},
       .qk_norm = QkNorm::PerHead},
      {.type = "qwen3_next",
       .keys = {"num_experts", "num_experts_per_tok", "moe_intermediate_size",
                "shared_expert_intermediate_size", "num_key_value_heads", "head_dim",
                "linear_num_value_heads", "linear_num_key_heads"},
       .qk_norm = QkNorm::PerHead},
      {.type = "qwen3_5_moe_text",
       .keys = {"num_experts", "num_experts_per_tok", "moe_intermediate_size",
                "shared_expert_intermediate_size", "num_key_value_heads", "head_dim",
                "linear_num_value_heads", "linear_num_key_heads"},
       .qk_norm = QkNorm::PerHead},
      {.type = "qwen3_5_text",
       .keys = {"intermediate_size", "num_key_value_heads", "head_dim", "linear_num_value_heads",
                "linear_num_key_heads"},
       .qk_norm = QkNorm::PerHead},
      {.type = "deepseek_v2",
       .keys = {"n_routed_experts", "num_experts_per_tok", "moe_intermediate_size",
                "n_shared_experts", "first_k_dense_replace", "kv_lora_rank", "intermediate_size"},
       .counting = kNoEmbeddingActive},
      {.type = "deepseek_v3",
       .keys = {"n_routed_experts", "num_experts_per_tok", "moe_intermediate_size",
                "n_shared_experts", "first_k_dense_replace", "kv_lora_rank", "intermediate_size"},
       .router = R::Sigmoid,
       .router_bias = true,
       .counting = kNoEmbeddingActive},
      {.type = "deepseek_v32",
       .keys = {"n_routed_experts", "num_experts_per_tok", "moe_intermediate_size",
                "n_shared_experts", "first_k_dense_replace", "kv_lora_rank", "intermediate_size",
                "index_topk"},
       .router = R::Sigmoid,
       .router_bias = true,
       .counting = kNoEmbeddingActive},
      {.type = "kimi_k2",
       .keys = {"n_routed_experts", "num_experts_per_tok", "moe_intermediate_size",
                "n_shared_experts", "first_k_dense_replace", "kv_lora_rank", "intermediate_size"},
       .router = R::Sigmoid,
       .router_bias = true,
       .counting = kNoEmbeddingActive},
      {.type = "deepseek_v4",
       .keys = {"n_routed_experts", "num_experts_per_tok", "moe_intermediate_size",
                "n_shared_experts", "compress_ratios", "head_dim", "q_lora_rank", "o_lora_rank",
                "o_groups"},
       .router = R::Sigmoid,
       .router_bias = true,
       .counting = kNoEmbeddingActive},
      {.type = "glm_moe_dsa",
       .keys = {"n_routed_experts", "num_experts_per_tok", "moe_intermediate_size",
                "n_shared_experts", "kv_lora_rank", "intermediate_size", "index_topk",
                "first_k_dense_replace|mlp_layer_types"},
       .router = R::Sigmoid,
       .router_bias = true,
       .counting = kNoEmbeddingActive},
      {.type = "glm4_moe",
       .keys = {"n_routed_experts", "num_experts_per_tok", "moe_intermediate_size",
                "n_shared_experts", "first_k_dense_replace", "intermediate_size",
                "num_key_value_heads"},
       .bias = BiasRule::QkvByKey,
       .router = R::Sigmoid,
       .router_bias = true,
       .counting = {.embedding_in_total = false,
                    .head_in_total = false,
                    .embedding_in_active = false,
                    .head_in_active = false}},
      {.type = "kimi_linear",
       .keys = {"num_experts", "num_experts_per_token|num_experts_per_tok", "moe_intermediate_size",
                "num_shared_experts", "first_k_dense_replace", "kv_lora_rank", "linear_attn_config",
                "intermediate_size"},
       .router = R::Sigmoid,
       .router_bias = true,
       .counting = kNoEmbeddingActive},
      {.type = "llama4_text",
       .keys = {"num_local_experts", "num_experts_per_tok", "intermediate_size",
                "intermediate_size_mlp", "interleave_moe_layer_step|moe_layers",
                "num_key_value_heads"},
       .router = R::Sigmoid},
      {.type = "gpt_oss",
       .keys = {"num_local_experts", "num_experts_per_tok|experts_per_token", "intermediate_size",
                "head_dim", "num_key_value_heads", "layer_types", "sliding_window"},
       .router = R::TopKSoftmax,
       .counting = kNoEmbeddingActive},
      {.type = "minimax_m2",
       .keys = {"num_local_experts", "num_experts_per_tok", "intermediate_size", "head_dim",
                "num_key_value_heads"},
       .router = R::Sigmoid,
       .router_bias = true,
       .counting = kLayersActive},
      {.type = "minimax_m3",
       .keys = {"num_local_experts", "num_experts_per_tok",
                "moe_intermediate_size|intermediate_size", "num_key_value_heads",
                "n_shared_experts"},
       .router = R::Sigmoid,
       .router_bias = true,
       .counting = kLayersActive},
      {.type = "minimax_text_01",
       .keys = {"num_local_experts", "num_experts_per_tok", "intermediate_size", "attn_type_list",
                "num_key_value_heads"},
       .counting = kLayersActive},
      {.type = "minimax_m1",
       .keys = {"num_local_experts", "num_experts_per_tok", "intermediate_size", "attn_type_list",
                "num_key_value_heads"},
       .counting = kLayersActive},
      {.type = "mimo_v2_flash",
       .keys = {"n_routed_experts", "num_experts_per_tok", "moe_intermediate_size",
                "moe_layer_freq", "hybrid_layer_pattern", "head_dim", "v_head_dim",
                "swa_num_key_value_heads", "num_key_value_heads"},
       .router = R::Sigmoid,
       .router_bias = true},
      {.type = "step3p7",
       .keys = {"num_experts|moe_num_experts", "num_experts_per_tok|moe_top_k",
                "moe_intermediate_size", "num_key_value_heads|num_attention_groups",
                "n_shared_experts|share_expert_dim|share_expert_dims"},
       .qk_norm = QkNorm::PerHead,
       .router = R::Sigmoid,
       .router_bias = true,
       .counting = kNoEmbeddingActive},
      {.type = "step3p5",
       .keys = {"num_experts|moe_num_experts", "num_experts_per_tok|moe_top_k",
                "moe_intermediate_size", "num_key_value_heads|num_attention_groups",
                "n_shared_experts|share_expert_dim|share_expert_dims"},
       .qk_norm = QkNorm::PerHead,
       .router = R::Sigmoid,
       .router_bias = true,
       .counting = kNoEmbeddingActive},
      {.type = "gemma4_text",
       .keys = {"num_experts", "top_k_experts|num_experts_per_tok", "moe_intermediate_size",
                "intermediate_size", "num_key_value_heads", "head_dim", "layer_types"},
       .qk_norm = QkNorm::PerHead,
       .norms = 7,  // before and after attention, the dense FFN, the experts; after their sum
       .tied_by_default = true},
      {.type = "olmoe",
       .keys = {"num_experts", "num_experts_per_tok", "intermediate_size"},
       .qk_norm = QkNorm::PerLayer},
      {.type = "phimoe",
       .keys = {"num_local_experts", "num_experts_per_tok", "intermediate_size",
                "num_key_value_heads"},
       .norms = 4,  // two layer norms with biases
       .final_norms = 2},
      {.type = "dbrx", .keys = {"ffn_config", "attn_config"}, .bias = BiasRule::Never},
      {.type = "grok-1",
       .keys = {"num_experts|num_local_experts", "num_experts_per_tok|num_selected_experts",
                "intermediate_size", "num_key_value_heads"},
       .norms = 4,  // before and after attention, before and after the experts
       .counting = {.embedding_in_total = false, .head_in_total = false}},
      {.type = "granitemoe",
       .keys = {"num_local_experts", "num_experts_per_tok", "intermediate_size",
                "num_key_value_heads"},
       .router = R::TopKSoftmax},
      {.type = "nemotron_h",
       .keys = {"hybrid_override_pattern|layers_block_type", "mamba_num_heads", "mamba_head_dim",
                "ssm_state_size", "n_groups", "num_key_value_heads"},
       .router = R::Sigmoid,
       .router_bias = true,
       .norms = 1,
       .gated = false,  // squared ReLU
       .counting = kNoEmbeddingActive},
      {.type = "arctic",
       .keys = {"num_local_experts", "num_experts_per_tok", "intermediate_size",
                "num_key_value_heads"},
       .bias = BiasRule::Never},
      {.type = "ernie4_5_moe",
       .keys = {"moe_num_experts", "moe_k", "moe_intermediate_size", "num_key_value_heads"},
       .bias = BiasRule::Never,
       .router_bias = true},
      {.type = "bailing_moe",
       .keys = {"num_experts", "num_experts_per_tok", "moe_intermediate_size",
                "num_key_value_heads", "first_k_dense_replace"},
       .bias = BiasRule::Never},
      {.type = "bailing_moe_v2",
       .keys = {"num_experts", "num_experts_per_tok", "moe_intermediate_size",
                "num_key_value_heads", "first_k_dense_replace"},
       .bias = BiasRule::Never,
       .qk_norm = QkNorm::PerHead,
       .router = R::Sigmoid,
       .router_bias = true},
  };
  return list;
}

// Other names of the same thing.
std::string_view canonical(std::string_view type) {
  if (type == "deepseek_ref") return "deepseek_v4";
  if (type == "grok1" || type == "grok") return "grok-1";
  if (type == "minimax") return "minimax_text_01";
  if (type == "llama4") return "llama4_text";
  if (type == "glm4v_moe_text") return "glm4_moe";
  if (type == "qwen3_5_moe") return "qwen3_5_moe_text";
  if (type == "gemma4") return "gemma4_text";
  return type;
}

}  // namespace

const HfFamily* find_family(std::string_view type) {
  const auto& list = families();
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const HfFamily& f) { return f.type == canonical(type); });
  return found == list.end() ? nullptr : &*found;
}

std::vector<std::string_view> family_types() {
  std::vector<std::string_view> types;
  for (const HfFamily& family : families()) types.push_back(family.type);
  return types;
}

}  // namespace moesim::workloads
