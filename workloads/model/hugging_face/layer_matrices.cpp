#include "workloads/model/hugging_face/layer_matrices.h"

#include <numeric>
#include <variant>

#include "workloads/model/counts.h"

namespace moesim::workloads {
namespace {

using Names = std::vector<std::string_view>;

class Matrices {
 public:
  explicit Matrices(std::int64_t hidden) : hidden_(hidden) {}

  void add(WeightPart part, std::int64_t numbers, Names names) {
    if (numbers > 0) list_.push_back({part, numbers, std::move(names)});
  }

  void operator()(const NoMixer&) {}

  void operator()(const GqaAttention& a) {
    const std::int64_t from = a.query_rank > 0 ? a.query_rank : hidden_;
    mixer(hidden_ * a.query_rank, {"self_attn.q_a_proj", "self_attn.wq_a"});
    mixer(from * a.query_width(),
          {"self_attn.q_proj", "self_attn.qkv_proj", "self_attn.wq_b", "mixer.q_proj",
           "attention.q_proj", "attn.Wqkv", "attention.query_key_value"});
    if (!a.reuses_cache) {
      mixer(hidden_ * a.key_width(),
            {"self_attn.k_proj", "self_attn.qkv_proj", "mixer.k_proj", "attention.k_proj",
             "attn.Wqkv", "attention.query_key_value"});
      mixer(a.key_is_value ? 0 : hidden_ * a.value_width(),
            {"self_attn.v_proj", "self_attn.qkv_proj", "mixer.v_proj", "attention.v_proj",
             "attn.Wqkv", "attention.query_key_value"});
    }
    mixer(a.output_width() * hidden_, {"self_attn.o_proj", "self_attn.out_proj", "mixer.o_proj",
                                       "attention.o_proj", "attn.out_proj", "attention.dense"});
    // Qwen3-Next's gate is a part of its queries' projection.
    mixer(hidden_ * a.output_gate, {"self_attn.q_proj", "self_attn.g_proj"});
    index(a.index, hidden_);
  }

  void operator()(const MlaAttention& a) {
    const std::int64_t queries = a.heads * a.query_head();
    if (a.q_lora_rank > 0) {
      mixer(hidden_ * a.q_lora_rank, {"self_attn.q_a_proj", "self_attn.fused_qkv_a_proj"});
      mixer(a.q_lora_rank * queries, {"self_attn.q_b_proj", "attention.q_b_proj"});
    } else {
      mixer(hidden_ * queries, {"self_attn.q_proj"});
    }
    mixer(hidden_ * a.cache_width(),
          {"self_attn.kv_a_proj_with_mqa", "self_attn.fused_qkv_a_proj"});
    mixer(a.kv_lora_rank * a.heads * (a.nope_dim + a.value_dim), {"self_attn.kv_b_proj"});
    mixer(a.heads * a.value_dim * hidden_, {"self_attn.o_proj", "attention.dense"});
    mixer(a.output_gate ? hidden_ * a.heads * a.value_dim : 0, {"self_attn.g_proj"});
    index(a.index, a.q_lora_rank > 0 ? a.q_lora_rank : hidden_);
  }

  void operator()(const CompressedAttention& a) {
    mixer(hidden_ * a.q_lora_rank, {"attn.wq_a", "self_attn.q_a_proj"});
    mixer(a.q_lora_rank * a.heads * a.head_dim, {"attn.wq_b", "self_attn.q_b_proj"});
    mixer(hidden_ * a.head_dim, {"attn.wkv", "self_attn.kv_proj"});
    mixer(a.heads * a.head_dim * a.output_lora_rank, {"attn.wo_a", "self_attn.o_a_proj"});
    mixer(a.output_groups * a.output_lora_rank * hidden_, {"attn.wo_b", "self_attn.o_b_proj"});
  }

  void operator()(const LinearAttention& a) {
    const std::int64_t keys = a.key_heads * a.key_dim, values = a.value_heads * a.value_dim;
    switch (a.kind) {
      case LinearKind::Lightning:
        mixer(hidden_ * (2 * keys + values), {"self_attn.qkv_proj"});
        mixer(hidden_ * values, {"self_attn.output_gate"});
        mixer(values * hidden_, {"self_attn.out_proj"});
        return;
      case LinearKind::GatedDeltaNet:
        mixer(hidden_ * (2 * keys + values),
              {"linear_attn.in_proj_qkvz", "linear_attn.in_proj_qkv"});
        mixer(hidden_ * values, {"linear_attn.in_proj_qkvz", "linear_attn.in_proj_z"});
        mixer(hidden_ * a.value_heads, {"linear_attn.in_proj_ba", "linear_attn.in_proj_b"});
        mixer(hidden_ * a.value_heads, {"linear_attn.in_proj_ba", "linear_attn.in_proj_a"});
        mixer(values * hidden_, {"linear_attn.out_proj"});
        return;
      case LinearKind::KimiDelta:
        mixer(hidden_ * keys, {"self_attn.q_proj"});
        mixer(hidden_ * keys, {"self_attn.k_proj"});
        mixer(hidden_ * values, {"self_attn.v_proj"});
        mixer(hidden_ * a.key_dim, {"self_attn.f_a_proj"});
        mixer(a.key_dim * keys, {"self_attn.f_b_proj"});
        mixer(hidden_ * a.value_dim, {"self_attn.g_a_proj"});
        mixer(a.value_dim * values, {"self_attn.g_b_proj"});
        mixer(hidden_ * a.key_heads, {"self_attn.b_proj"});
        mixer(values * hidden_, {"self_attn.o_proj"});
        return;
      case LinearKind::ShortConvolution:
        mixer(hidden_ * (2 * keys + values), {"conv.in_proj"});
        mixer(values * hidden_, {"conv.out_proj"});
        return;
    }
  }

  void operator()(const MambaMixer& m) {
    const std::int64_t chosen = m.dt_rank + 2 * m.state;
    if (m.dt_rank > 0) {
      mixer(hidden_ * 2 * m.inner(), {"mamba.in_proj", "mixer.in_proj"});
      mixer(m.inner() * chosen, {"mamba.x_proj", "mixer.x_proj"});
      mixer(m.dt_rank * m.inner(), {"mamba.dt_proj", "mixer.dt_proj"});
    } else {
      mixer(hidden_ * (2 * m.inner() + 2 * m.groups * m.state + m.heads),
            {"mamba.in_proj", "mixer.in_proj"});
    }
    mixer(m.inner() * hidden_, {"mamba.out_proj", "mixer.out_proj"});
  }

  void operator()(const LstmMixer&) {}

  void operator()(const NoFfn&) {}

  void operator()(const DenseFfn& ffn) { dense(ffn.inter, ffn.gated); }

  void operator()(const MoeFfn& moe) {
    const std::int64_t each = moe.dispatch_width(hidden_) * moe.inter;
    add(WeightPart::Experts, moe.gated ? each : 0,
        {"mlp.experts.#.gate_proj", "mlp.experts.gate_up_proj", "mlp.experts.#.w1",
         "block_sparse_moe.experts.#.w1", "block_sparse_moe.input_linear",
         "feed_forward.experts.#.w1", "feed_forward.experts.#.gate_proj",
         "feed_forward.experts.gate_up_proj", "experts.#.w1", "moe.experts.#.gate_proj",
         "moe.gate_proj", "ffn.experts.mlp.w1"});
    add(WeightPart::Experts, each,
        {"mlp.experts.#.up_proj", "mlp.experts.gate_up_proj", "mlp.experts.#.w3",
         "block_sparse_moe.experts.#.w3", "block_sparse_moe.input_linear",
         "feed_forward.experts.#.w3", "feed_forward.experts.#.up_proj",
         "feed_forward.experts.gate_up_proj", "experts.#.w3", "mixer.experts.#.up_proj",
         "moe.experts.#.up_proj", "moe.up_proj", "ffn.experts.mlp.v1"});
    add(WeightPart::Experts, each,
        {"mlp.experts.#.down_proj", "mlp.experts.down_proj", "mlp.experts.#.w2",
         "block_sparse_moe.experts.#.w2", "block_sparse_moe.output_linear",
         "feed_forward.experts.#.w2", "feed_forward.experts.#.down_proj",
         "feed_forward.experts.down_proj", "experts.#.w2", "mixer.experts.#.down_proj",
         "moe.experts.#.down_proj", "moe.down_proj", "ffn.experts.mlp.w2"});
    const std::int64_t shared = hidden_ * moe.shared_width();
    add(WeightPart::SharedExperts, moe.gated ? shared : 0,
        {"mlp.shared_experts.gate_proj", "mlp.shared_expert.gate_proj", "mlp.shared_mlp.gate_proj",
         "shared_mlp.input_linear", "share_expert.gate_proj",
         "feed_forward.shared_expert.gate_proj", "block_sparse_moe.shared_experts.gate_proj"});
    add(WeightPart::SharedExperts, shared,
        {"mlp.shared_experts.up_proj", "mlp.shared_expert.up_proj", "mlp.shared_mlp.up_proj",
         "shared_mlp.input_linear", "mixer.shared_experts.up_proj", "share_expert.up_proj",
         "feed_forward.shared_expert.up_proj", "block_sparse_moe.shared_experts.up_proj"});
    add(WeightPart::SharedExperts, shared,
        {"mlp.shared_experts.down_proj", "mlp.shared_expert.down_proj", "mlp.shared_mlp.down_proj",
         "shared_mlp.output_linear", "mixer.shared_experts.down_proj", "share_expert.down_proj",
         "feed_forward.shared_expert.down_proj", "block_sparse_moe.shared_experts.down_proj"});
    dense(moe.residual_inter, moe.gated);
  }

  // Of the mixer so far less than `all`: what has no name of its own goes with the whole of it.
  std::vector<LayerMatrix> with_rest(std::int64_t all) {
    const std::int64_t named = std::accumulate(
        list_.begin(), list_.end(), std::int64_t{0}, [](std::int64_t sum, const LayerMatrix& m) {
          return sum + (m.part == WeightPart::Attention ? m.numbers : 0);
        });
    mixer(all - named, {"self_attn", "mixer", "attn"});
    return std::move(list_);
  }

 private:
  void mixer(std::int64_t numbers, Names names) {
    add(WeightPart::Attention, numbers, std::move(names));
  }
  void index(const SparseIndex& index, std::int64_t query_rank) {
    mixer(query_rank * index.heads * index.head_dim, {"self_attn.indexer.wq_b"});
    mixer(index.heads > 0 ? hidden_ * index.head_dim : 0, {"self_attn.indexer.wk"});
    mixer(hidden_ * index.heads, {"self_attn.indexer.weights_proj"});
  }
  void dense(std::int64_t inter, bool gated) {
    add(WeightPart::DenseFfn, gated ? hidden_ * inter : 0,
        {"mlp.gate_proj", "mlp.gate_up_proj", "feed_forward.gate_proj", "feed_forward.w1",
         "residual_mlp.w1", "shared_mlp.input_linear"});
    add(WeightPart::DenseFfn, hidden_ * inter,
        {"mlp.up_proj", "mlp.gate_up_proj", "feed_forward.up_proj", "feed_forward.w3",
         "residual_mlp.w3", "mixer.up_proj", "shared_mlp.input_linear"});
    add(WeightPart::DenseFfn, hidden_ * inter,
        {"mlp.down_proj", "feed_forward.down_proj", "feed_forward.w2", "residual_mlp.w2",
         "mixer.down_proj", "shared_mlp.output_linear"});
  }

  std::int64_t hidden_;
  std::vector<LayerMatrix> list_;
};

}  // namespace

std::vector<LayerMatrix> matrices_of(const LayerKind& kind, std::int64_t hidden) {
  Matrices matrices(hidden);
  std::visit(matrices, kind.mixer);
  std::visit(matrices, kind.ffn);
  const LayerParams params = layer_params(kind, hidden);
  return matrices.with_rest(params.mixer.matrices() + params.cross.matrices());
}

}  // namespace moesim::workloads
