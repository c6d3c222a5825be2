#include "workloads/model/hf_layers.h"

#include <fmt/format.h>

#include <algorithm>

#include "workloads/model/hf_attention.h"

namespace moesim::workloads {

namespace {

class FfnReader {
 public:
  FfnReader(const HfConfig& config, const HfFamily* family, std::int64_t layers, ModelSpec& model)
      : config_(config), family_(family), layers_(layers), model_(model) {}

  // Whether the config speaks of experts at all; one of a mixture's type that has none is a
  // mistake.
  bool has_experts() const {
    if (config_.child("ffn_config")) return true;
    const bool mixture =
        family_ != nullptr && std::any_of(family_->keys.begin(), family_->keys.end(), [](auto key) {
          return key.find("experts") != std::string_view::npos;
        });
    const auto experts =
        config_.integer({"n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts"},
                        mixture ? 1 : 0, kMostWidth);
    return mixture || (experts && *experts > 1);
  }

  MoeFfn moe() {
    MoeFfn f;
    const auto nested = config_.child("ffn_config");
    if (nested) {
      f.experts = nested->required({"moe_num_experts"});
      f.top_k = nested->required({"moe_top_k"});
      f.inter = nested->required({"ffn_hidden_size"});
    } else {
      f.experts = config_.required(
          {"n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts"});
      f.top_k = config_.required({"num_experts_per_tok", "num_experts_per_token",
                                  "experts_per_token", "top_k_experts", "moe_top_k", "moe_topk",
                                  "moe_k", "num_selected_experts"});
      const auto inter =
          config_.integer({"moe_intermediate_size", "expert_intermediate_size"}, 1, kMostWidth);
      f.inter = inter ? *inter : config_.required({"intermediate_size"});
      config_.has("intermediate_size");  // of dense layers, of which there may be none
    }
    f.gated = family_ == nullptr || family_->gated;
    f.bias = type() == "gpt_oss";
    f.latent = config_.integer({"routed_expert_hidden_size", "moe_latent_size"}, 1, kMostWidth)
                   .value_or(0);
    if (f.latent == model_.hidden) f.latent = 0;
    shared(f);
    if (type() == "gemma4_text") {
      f.residual_inter = config_.required({"intermediate_size"});
    } else if (type() == "arctic") {
      f.residual_inter = model_.hidden;
      model_.notes.push_back(
          "Arctic: a dense FFN of hidden width beside the experts (known by model type)");
    }
    f.router = router(f);
    return f;
  }

  DenseFfn dense() {
    DenseFfn f;
    f.gated = family_ == nullptr || family_->gated;
    f.bias = config_.flag({"mlp_bias"}).value_or(false);
    for (const char* key :
         {"intermediate_size_mlp", "mlp_intermediate_size", "dense_intermediate_size"}) {
      if (const auto width = config_.integer({key}, 1, kMostWidth)) {
        f.inter = *width;
        return f;
      }
    }
    f.inter = config_.required({"intermediate_size", "ffn_dim", "n_inner"});
    return f;
  }

  // Which layers are mixtures.
  std::vector<bool> mixtures() {
    const auto n = static_cast<std::size_t>(layers_);
    std::vector<bool> is(n, has_experts());
    if (!has_experts()) return is;
    const auto keep = [&](auto&& wanted) {
      for (std::size_t l = 0; l < n; ++l) {
        if (!wanted(static_cast<std::int64_t>(l))) is[l] = false;
      }
    };
    if (const auto first = config_.integer({"first_k_dense_replace"}, 0, kMostLayers)) {
      keep([&](std::int64_t l) { return l >= *first; });
    }
    if (config_.has("moe_layer_freq")) frequency(keep);
    if (const auto step = config_.integer({"decoder_sparse_step"}, 0, kMostLayers)) {
      keep([&](std::int64_t l) { return *step > 0 && (l + 1) % *step == 0; });
    }
    if (const auto step = config_.integer({"moe_layer_frequency"}, 1, kMostLayers)) {
      keep([&](std::int64_t l) { return (l + 1) % *step == 0; });
    }
    for (const std::int64_t l : config_.integers("mlp_only_layers", kMostLayers)) {
      if (l < layers_) is[static_cast<std::size_t>(l)] = false;
    }
    const auto listed = config_.integers("moe_layers", kMostLayers);
    if (!listed.empty()) {
      keep([&](std::int64_t l) {
        return std::find(listed.begin(), listed.end(), l) != listed.end();
      });
    } else if (const auto step = config_.integer({"interleave_moe_layer_step"}, 1, kMostLayers)) {
      keep([&](std::int64_t l) { return (l + 1) % *step == 0; });
    }
    if (const auto text = config_.text({"moe_layers_enum"})) enumerated(*text, keep);
    if (const auto first = config_.integer({"moe_layer_start_index"}, 0, kMostLayers)) {
      const auto last = config_.integer({"moe_layer_end_index"}, -1, kMostLayers).value_or(-1);
      const auto step = config_.integer({"moe_layer_interval"}, 1, kMostLayers).value_or(1);
      keep([&](std::int64_t l) {
        return l >= *first && (last < 0 || l <= last) && (l + 1) % step == 0;
      });
    }
    const auto types = config_.texts("mlp_layer_types");
    if (!types.empty()) {
      if (types.size() < n) {
        config_.mistake("mlp_layer_types",
                        fmt::format("{} entries, but there are {} layers", types.size(), layers_));
        return is;
      }
      for (std::size_t l = 0; l < n; ++l) {
        if (types[l] != "dense" && types[l] != "sparse") {
          config_.mistake("mlp_layer_types", "expected dense or sparse");
          return is;
        }
        if (types[l] == "dense") is[l] = false;
      }
    }
    return is;
  }

 private:
  std::string_view type() const { return family_ != nullptr ? family_->type : std::string_view(); }

  void shared(MoeFfn& f) {
    const auto count = config_.integer(
        {"n_shared_experts", "num_shared_experts", "moe_num_shared_experts"}, 0, kMostWidth);
    const auto width =
        config_.integer({"shared_expert_intermediate_size", "moe_shared_expert_intermediate_size",
                         "share_expert_dim", "share_expert_dims", "shared_intermediate_size"},
                        0, kMostWidth);
    if (type() == "llama4_text") {
      f.shared_experts = 1;
      f.shared_inter = f.inter;
      model_.notes.push_back(
          "Llama 4: one shared expert as wide as a routed one (known by model type, not in the "
          "file)");
    } else if (width && *width > 0) {
      f.shared_experts = count.value_or(1);
      f.shared_inter = f.shared_experts > 0 ? *width : 0;
    } else if (count && !(width && *width == 0)) {
      f.shared_experts = *count;
      f.shared_inter = *count > 0 ? f.inter : 0;
    }
    f.shared_gate = f.shared_experts > 0 && (type() == "qwen2_moe" || type() == "qwen3_next" ||
                                             type() == "qwen3_5_moe_text");
  }

  Router router(const MoeFfn& f) {
    Router r;
    r.kind = family_ != nullptr ? family_->router : RouterKind::SoftmaxTopK;
    r.bias = family_ != nullptr && family_->router_bias;
    if (const auto score =
            config_.text({"scoring_func", "moe_router_activation_func", "score_function"})) {
      if (*score == "softmax") {
        r.kind = r.kind == RouterKind::TopKSoftmax ? r.kind : RouterKind::SoftmaxTopK;
      } else if (*score == "sigmoid" || *score == "sqrtsoftplus") {
        r.kind = RouterKind::Sigmoid;  // any score that is taken for each expert alone
      } else {
        config_.mistake(
            "scoring_func",
            fmt::format("\"{}\" is not supported; softmax, sigmoid and sqrtsoftplus are",
                        score->substr(0, 40)));
      }
    } else if (family_ == nullptr) {
      model_.notes.push_back("the router's score is not in the file: softmax assumed");
    }
    if (const auto method = config_.text({"topk_method"})) r.bias = *method == "noaux_tc";
    if (const auto bias = config_.flag({"use_routing_bias"})) r.bias = *bias;
    if (const auto bias = config_.flag({"moe_router_enable_expert_bias"})) r.bias = *bias;
    r.linear_bias = type() == "gpt_oss";
    r.normalise =
        config_.flag({"norm_topk_prob", "moe_renormalize", "norm_expert_weight"}).value_or(true);
    r.scaling =
        config_
            .number({"routed_scaling_factor", "moe_router_scaling_factor", "router_scaling_factor"},
                    0, 1e6)
            .value_or(1);
    r.groups = config_.integer({"n_group", "num_expert_group"}, 1, kMostWidth).value_or(1);
    r.top_groups = config_.integer({"topk_group"}, 1, kMostWidth).value_or(r.groups);
    if (r.groups > 1 && f.experts % r.groups != 0) {
      config_.mistake("n_group",
                      fmt::format("{} experts do not divide into {} groups", f.experts, r.groups));
    }
    return r;
  }

  template <class Keep>
  void frequency(const Keep& keep) {
    if (!config_.is_list("moe_layer_freq")) {
      const std::int64_t step = config_.integer({"moe_layer_freq"}, 1, kMostLayers).value_or(1);
      keep([&](std::int64_t l) { return l % step == 0; });
      return;
    }
    const auto list = config_.integers("moe_layer_freq", 1);
    if (static_cast<std::int64_t>(list.size()) < layers_) {
      config_.mistake("moe_layer_freq",
                      fmt::format("{} entries, but there are {} layers", list.size(), layers_));
      return;
    }
    keep([&](std::int64_t l) { return list[static_cast<std::size_t>(l)] == 1; });
  }

  // "3,4,5": the layers that are mixtures.
  template <class Keep>
  void enumerated(const std::string& text, const Keep& keep) {
    std::vector<bool> wanted(static_cast<std::size_t>(layers_), false);
    std::int64_t number = 0;
    bool digits = false;
    for (const char c : text + ",") {
      if (c >= '0' && c <= '9' && number < kMostLayers) {
        number = number * 10 + (c - '0');
        digits = true;
      } else if (c == ',' && digits) {
        if (number < layers_) wanted[static_cast<std::size_t>(number)] = true;
        number = 0;
        digits = false;
      } else if (c != ' ') {
        config_.mistake("moe_layers_enum", "expected layer numbers separated by commas");
        return;
      }
    }
    keep([&](std::int64_t l) { return wanted[static_cast<std::size_t>(l)]; });
  }

  const HfConfig& config_;
  const HfFamily* family_;
  std::int64_t layers_;
  ModelSpec& model_;
};

void add_layer(ModelSpec& model, LayerKind kind) {
  for (std::size_t k = 0; k < model.kinds.size(); ++k) {
    if (model.kinds[k].name == kind.name) {
      model.layers.push_back(k);
      return;
    }
  }
  model.kinds.push_back(std::move(kind));
  model.layers.push_back(model.kinds.size() - 1);
}

// Nemotron-H: each layer is one block, by letter.
void read_blocks(const HfConfig& config, const HfFamily* family, std::int64_t layers,
                 const std::string& letters, ModelSpec& model) {
  FfnReader ffns(config, family, layers, model);
  if (static_cast<std::int64_t>(letters.size()) != layers) {
    config.mistake("hybrid_override_pattern",
                   fmt::format("{} letters, but there are {} layers", letters.size(), layers));
    return;
  }
  std::optional<MoeFfn> moe;
  for (const char letter : letters) {
    LayerKind kind;
    kind.norms = 1;
    switch (letter) {
      case 'M':
        kind.name = "mamba";
        kind.mixer = read_hf_mamba(config, family, model).mixer;
        break;
      case '*':
        kind.name = "attention";
        kind.mixer = read_hf_attention(config, family, model).mixer;
        break;
      case 'E':
        if (!moe) moe = ffns.moe();
        kind.name = "moe";
        kind.ffn = *moe;
        break;
      case '-':
        kind.name = "dense";
        kind.ffn = ffns.dense();
        break;
      default:
        config.mistake("hybrid_override_pattern",
                       fmt::format("letter \"{}\" is not supported; M, E, * and - are", letter));
        return;
    }
    add_layer(model, std::move(kind));
    if (config.failed()) return;
  }
}

std::string block_letters(const HfConfig& config) {
  if (const auto pattern = config.text({"hybrid_override_pattern"})) return *pattern;
  std::string letters;
  for (const std::string& block : config.texts("layers_block_type")) {
    letters += block == "mamba"       ? 'M'
               : block == "attention" ? '*'
               : block == "moe"       ? 'E'
               : block == "mlp"       ? '-'
                                      : '?';
  }
  return letters;
}

}  // namespace

void read_hf_layers(const HfConfig& config, const HfFamily* family, std::int64_t layers,
                    ModelSpec& model) {
  const std::string_view type = family != nullptr ? family->type : std::string_view();
  if (config.has("hybrid_override_pattern") || config.has("layers_block_type")) {
    read_blocks(config, family, layers, block_letters(config), model);
    return;
  }
  const auto mixers = read_hf_mixers(config, family, layers, model);
  FfnReader ffns(config, family, layers, model);
  const std::vector<bool> mixtures = ffns.mixtures();
  std::optional<MoeFfn> moe;
  std::optional<DenseFfn> dense;
  if (std::find(mixtures.begin(), mixtures.end(), true) != mixtures.end()) moe = ffns.moe();
  if (std::find(mixtures.begin(), mixtures.end(), false) != mixtures.end()) dense = ffns.dense();
  const std::int64_t hashed = config.integer({"num_hash_layers"}, 0, layers).value_or(0);
  if (config.failed()) return;
  for (std::size_t l = 0; l < mixers.size(); ++l) {
    LayerKind kind;
    kind.norms = family != nullptr ? family->norms : 2;
    kind.mixer = mixers[l].mixer;
    if (!mixtures[l]) {
      kind.name = mixers[l].name + "+dense";
      kind.ffn = *dense;
      if (type == "gemma4_text") kind.norms = 4;
    } else {
      MoeFfn ffn = *moe;
      kind.name = mixers[l].name + "+moe";
      if (static_cast<std::int64_t>(l) < hashed) {
        ffn.router.kind = RouterKind::Hash;
        ffn.router.bias = false;
        kind.name += "-hash";
      }
      kind.ffn = ffn;
    }
    add_layer(model, std::move(kind));
  }
  if (type == "gemma4_text" && moe) {
    // A scale of the layer, of the router's input, and of each expert.
    model.other_params += layers * (1 + model.hidden + moe->experts);
  }
  if (const auto streams = config.integer({"hc_mult"}, 1, 64); streams && *streams > 1) {
    // Hyper-connections: before each half of a layer, all streams are mixed by weights that depend
    // on them; one more before the head.
    const std::int64_t mix = (2 + *streams) * *streams;
    const std::int64_t half = mix * *streams * model.hidden + mix + 3;
    model.other_params += 2 * layers * half + *streams * *streams * model.hidden + *streams + 1;
  }
  if (type == "phimoe" && config.flag({"lm_head_bias"}).value_or(true))
    model.other_params += model.vocab;
}

}  // namespace moesim::workloads
