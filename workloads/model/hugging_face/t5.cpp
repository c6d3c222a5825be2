// T5 and Switch Transformers: encoder-decoders with relative position biases and RMS norms.
#include <fmt/format.h>

#include <algorithm>

#include "workloads/model/hugging_face/layers.h"

namespace moesim::workloads {

namespace {

// Layer i is sparse where i % step == 1 (or always, where step is 1); step: layers over sparse
// ones.
bool sparse(std::int64_t layer, std::int64_t layers, std::int64_t sparse_layers) {
  if (sparse_layers <= 0) return false;
  const std::int64_t step = std::max<std::int64_t>(layers / sparse_layers, 1);
  return step == 1 || layer % step == 1;
}

}  // namespace

void read_hf_t5(const HfConfig& config, bool mixture, ModelSpec& model) {
  const std::int64_t encoder = config.required({"num_layers"}, kMostLayers);
  const std::int64_t decoder =
      config.integer({"num_decoder_layers"}, 1, kMostLayers).value_or(encoder);
  GqaAttention attention;
  attention.heads = attention.kv_heads = config.required({"num_heads"});
  attention.head_dim = config.required({"d_kv"});
  DenseFfn dense;
  dense.inter = config.required({"d_ff"});
  const std::string projection =
      config.text({"feed_forward_proj", "dense_act_fn"}).value_or("relu");
  dense.gated = projection.rfind("gated-", 0) == 0;
  MoeFfn moe;
  std::int64_t sparse_encoder = 0, sparse_decoder = 0;
  if (mixture) {
    moe.experts = config.required({"num_experts"});
    moe.top_k = 1;
    moe.inter = dense.inter;
    moe.gated = dense.gated;
    moe.router.kind = RouterKind::Capacity;
    moe.router.capacity_factor = 1.25;
    sparse_encoder = config.integer({"num_sparse_encoder_layers"}, 0, encoder).value_or(3);
    sparse_decoder = config.integer({"num_sparse_decoder_layers"}, 0, decoder).value_or(3);
    model.notes.push_back(
        "Switch: the capacity factor is not in the file; 1.25 as the paper trains (its "
        "expert_capacity is in tokens)");
  }
  if (config.failed()) return;
  model.encoder_layers = encoder;
  const auto add = [&](bool decodes, bool is_sparse) {
    LayerKind kind;
    kind.name = fmt::format("{}+{}", decodes ? "decoder" : "encoder", is_sparse ? "moe" : "dense");
    kind.mixer = attention;
    if (is_sparse) {
      kind.ffn = moe;
    } else {
      kind.ffn = dense;
    }
    kind.norms = decodes ? 3 : 2;
    if (decodes) kind.cross = attention;
    add_layer(model, std::move(kind));
  };
  for (std::int64_t l = 0; l < encoder; ++l) add(false, sparse(l, encoder, sparse_encoder));
  for (std::int64_t l = 0; l < decoder; ++l) add(true, sparse(l, decoder, sparse_decoder));
  model.final_norms = 2;
  // One table of relative position biases for the encoder, one for the decoder.
  model.other_params =
      2 * attention.heads *
      config.integer({"relative_attention_num_buckets"}, 1, kMostWidth).value_or(32);
}

}  // namespace moesim::workloads
