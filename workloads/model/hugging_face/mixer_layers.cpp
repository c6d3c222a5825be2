#include "workloads/model/hugging_face/mixer_layers.h"

#include <fmt/format.h>

#include <algorithm>

#include "workloads/model/hugging_face/mixers.h"

namespace moesim::workloads {

namespace {

class MixerReader {
 public:
  MixerReader(const HfConfig& config, const HfFamily* family, std::int64_t layers, ModelSpec& model)
      : config_(config),
        family_(family),
        layers_(layers),
        model_(model),
        mixers_(config, family, model.hidden) {}

  std::vector<NamedMixer> read() {
    if (config_.has("compress_ratios")) return compressed_layers();
    if ((config_.has("kv_lora_rank") || config_.has("attention_kv_lora_dim")) &&
        !config_.has("linear_attn_config")) {
      return mla_layers();
    }
    if (const auto linear = config_.child("linear_attn_config")) return kimi_layers(*linear);
    if (config_.has("attn_type_list")) return lightning_layers();
    if (config_.has("hybrid_layer_pattern")) return mimo_layers();
    return typed_layers();
  }

 private:
  std::string_view type() const { return family_ != nullptr ? family_->type : std::string_view(); }
  std::size_t count() const { return static_cast<std::size_t>(layers_); }

  // A list with an entry a layer; more entries are for prediction layers where `more`.
  template <class List>
  bool fits(std::string_view key, const List& list, bool more = false) {
    if (list.size() == count() || (more && list.size() > count())) return true;
    // A list that could not be read was told already.
    if (!list.empty() || !config_.failed())
      config_.mistake(key,
                      fmt::format("{} entries, but there are {} layers", list.size(), layers_));
    return false;
  }

  // Every layer has its indexer, or some use the choice of a layer before (GLM-5's and DeepSeek's
  // shared indexers).
  std::vector<NamedMixer> mla_layers() {
    const MlaAttention own = mixers_.mla();
    std::vector<NamedMixer> list(count(), {"mla", own});
    if (own.index.top_k == 0) return list;
    MlaAttention shared = own;
    shared.index.heads = shared.index.head_dim = 0;
    const std::vector<bool> shares = sharing_layers();
    for (std::size_t l = 0; l < shares.size(); ++l) {
      if (shares[l]) list[l] = {"mla-shared-index", shared};
    }
    return list;
  }

  // Which layers have no indexer of their own. "full" or "shared" a layer, "F" or "S" a layer, or
  // one of every `index_topk_freq` layers, counted from the second.
  std::vector<bool> sharing_layers() {
    std::vector<bool> shares(count(), false);
    const auto list = config_.texts("indexer_types");
    const std::string pattern = config_.text({"index_topk_pattern"}).value_or("");
    if (!list.empty() && fits("indexer_types", list, true)) {
      for (std::size_t l = 0; l < count(); ++l) {
        if (list[l] != "full" && list[l] != "shared") {
          config_.mistake(
              "indexer_types",
              fmt::format("\"{}\" is not supported; full and shared are", list[l].substr(0, 40)));
        }
        shares[l] = list[l] == "shared";
      }
    } else if (!pattern.empty() && fits("index_topk_pattern", pattern, true)) {
      for (std::size_t l = 0; l < count(); ++l) {
        if (pattern[l] != 'F' && pattern[l] != 'S') {
          config_.mistake("index_topk_pattern", "expected F or S for each layer");
          break;
        }
        shares[l] = pattern[l] == 'S';
      }
    } else if (const auto every = config_.integer({"index_topk_freq"}, 1, kMostLayers)) {
      for (std::size_t l = 0; l < count(); ++l) {
        shares[l] = std::max<std::int64_t>(static_cast<std::int64_t>(l) - 1, 0) % *every != 0;
      }
    }
    if (!shares.empty() && shares.front()) {
      config_.mistake("indexer_types",
                      "the first layer has none before it whose index it could share");
    }
    return shares;
  }

  // MiniMax-M3: in the layers that the list names a query sees the blocks of keys that score best.
  SparseIndex block_sparse(const HfConfig& sparse, std::vector<bool>& layers) {
    SparseIndex i;
    if (!sparse.flag({"use_sparse_attention"}).value_or(true)) return i;
    const auto blocks = sparse.integer({"sparse_topk_blocks", "topk_blocks"}, 1, kMostWidth);
    if (!blocks) return i;
    const std::int64_t block = sparse.required({"sparse_block_size", "block_size"});
    i.top_k = *blocks * block;
    i.heads = sparse.required({"sparse_num_index_heads", "num_index_heads"});
    i.head_dim = sparse.required({"sparse_index_dim", "index_dim", "index_head_dim"});
    layers.assign(count(), true);
    const auto list = sparse.integers("sparse_attention_freq", 1);
    if (!list.empty() && fits("sparse_attention_config.sparse_attention_freq", list, true)) {
      for (std::size_t l = 0; l < count(); ++l) layers[l] = list[l] == 1;
    }
    model_.notes.push_back(
        fmt::format("sparse attention: a query sees {} blocks of {} keys; the index that chooses "
                    "them is counted "
                    "as DeepSeek's is",
                    *blocks, block));
    return i;
  }

  std::vector<NamedMixer> compressed_layers() {
    const auto ratios = config_.integers("compress_ratios", kMostTokens);
    if (!fits("compress_ratios", ratios, true)) return {};
    CompressedAttention a;
    a.heads = config_.required({"num_attention_heads"});
    config_.has("num_key_value_heads");  // one: keys and values are the same vector
    a.head_dim = config_.required({"head_dim"});
    a.q_lora_rank = config_.required({"q_lora_rank"});
    a.window = config_.required({"sliding_window"});
    a.output_groups = config_.required({"o_groups"});
    a.output_lora_rank = config_.required({"o_lora_rank"});
    const SparseIndex sparse = mixers_.index();
    std::vector<NamedMixer> list;
    for (std::size_t l = 0; l < count(); ++l) {
      CompressedAttention layer = a;
      layer.compress = ratios[l];
      // Blocks of four overlap and are chosen by the indexer; the long blocks are all read.
      if (layer.compress > 0 && layer.compress <= 4) {
        layer.compress_overlap = 2;
        layer.index = sparse;
      }
      list.push_back({fmt::format("compressed-{}", ratios[l]), layer});
    }
    model_.notes.push_back(
        "compressed attention: blocks of up to 4 tokens overlap by one block and are chosen by the "
        "indexer, longer ones are all read (the model type's rule, not in the file)");
    return list;
  }

  std::vector<NamedMixer> kimi_layers(const HfConfig& linear) {
    LinearAttention kda;
    kda.kind = LinearKind::KimiDelta;
    kda.key_heads = kda.value_heads = linear.required({"num_heads"});
    kda.key_dim = kda.value_dim = linear.required({"head_dim"});
    kda.convolution = linear.integer({"short_conv_kernel_size"}, 0, 1024).value_or(4);
    const MlaAttention full = mixers_.mla();
    std::vector<NamedMixer> list(count(), {"mla", full});
    std::vector<bool> named(count(), false);
    const auto place = [&](std::string_view key, const NamedMixer& mixer) {
      for (const std::int64_t l : linear.integers(key, kMostLayers)) {
        if (l < 1 || l > layers_) {
          linear.mistake(key,
                         fmt::format("layer {}: layers are numbered from 1 to {}", l, layers_));
          return;
        }
        list[static_cast<std::size_t>(l - 1)] = mixer;
        named[static_cast<std::size_t>(l - 1)] = true;
      }
    };
    place("full_attn_layers", {"mla", full});
    place("kda_layers", {"kda", kda});
    const auto missing = std::find(named.begin(), named.end(), false);
    if (missing != named.end() && !config_.failed()) {
      linear.mistake("kda_layers",
                     fmt::format("layer {} is in no list", missing - named.begin() + 1));
    }
    return list;
  }

  std::vector<NamedMixer> lightning_layers() {
    const auto types = config_.integers("attn_type_list", 1);
    if (!fits("attn_type_list", types)) return {};
    const GqaAttention full = mixers_.attention();
    std::vector<NamedMixer> list;
    for (const std::int64_t kind : types) {
      list.push_back(kind == 0 ? lightning(full) : NamedMixer{"full", full});
    }
    return list;
  }

  // As many heads as the layers of full attention have.
  static NamedMixer lightning(const GqaAttention& full) {
    return {"lightning", LinearAttention{.kind = LinearKind::Lightning,
                                         .key_heads = full.heads,
                                         .value_heads = full.heads,
                                         .key_dim = full.head_dim,
                                         .value_dim = full.head_dim}};
  }

  std::vector<NamedMixer> mimo_layers() {
    const auto pattern = config_.integers("hybrid_layer_pattern", 1);
    if (!fits("hybrid_layer_pattern", pattern)) return {};
    config_.has("attention_chunk_size");  // as wide as the window
    GqaAttention full = mixers_.attention();
    full.sinks = config_.flag({"add_full_attention_sink_bias"}).value_or(false);
    GqaAttention window = full;
    window.heads = config_.integer({"swa_num_attention_heads"}, 1, kMostWidth).value_or(full.heads);
    window.kv_heads = config_.required({"swa_num_key_value_heads"});
    window.head_dim = config_.integer({"swa_head_dim"}, 1, kMostWidth).value_or(full.head_dim);
    window.value_dim = config_.integer({"swa_v_head_dim"}, 1, kMostWidth).value_or(full.value_dim);
    window.window =
        config_.integer({"sliding_window", "sliding_window_size"}, 1, kMostTokens).value_or(0);
    if (window.window == 0) config_.mistake("sliding_window", "missing");
    window.sinks = config_.flag({"add_swa_attention_sink_bias"}).value_or(false);
    std::vector<NamedMixer> list;
    for (const std::int64_t kind : pattern) {
      list.push_back(kind == 1 ? NamedMixer{"window", window} : NamedMixer{"full", full});
    }
    return list;
  }

  // Which of full, sliding, chunked, linear, mamba, conv each layer is.
  std::vector<std::string> layer_types() {
    std::vector<std::string> types = config_.texts("layer_types");
    if (!types.empty()) {
      if (type() == "step3p7" || type() == "step3p5") {
        if (types.size() > count()) types.resize(count());  // prediction layers follow
      }
      return fits("layer_types", types) ? types : std::vector<std::string>();
    }
    types.assign(count(), "full_attention");
    const auto every = [&](std::int64_t interval, const char* others) {
      for (std::size_t l = 0; l < count(); ++l) {
        if ((static_cast<std::int64_t>(l) + 1) % interval != 0) types[l] = others;
      }
    };
    if (type() == "jamba") {
      const std::int64_t period = config_.required({"attn_layer_period"}, kMostLayers);
      const auto first = config_.integer({"attn_layer_offset"}, 0, kMostLayers).value_or(0);
      for (std::size_t l = 0; l < count(); ++l) {
        if (static_cast<std::int64_t>(l) % period != first) types[l] = "mamba";
      }
    } else if (config_.has("global_attn_every_n_layers")) {
      every(config_.integer({"global_attn_every_n_layers"}, 1, kMostLayers).value_or(1),
            "sliding_attention");
    } else if (config_.has("linear_num_value_heads")) {
      every(config_.integer({"full_attention_interval"}, 1, kMostLayers).value_or(4),
            "linear_attention");
    } else if (type() == "llama4_text") {
      const auto rope = config_.integers("no_rope_layers", 1);
      if (!rope.empty() && fits("no_rope_layers", rope)) {
        for (std::size_t l = 0; l < count(); ++l) {
          if (rope[l] == 1) types[l] = "chunked_attention";
        }
      } else {
        every(config_.integer({"no_rope_layer_interval"}, 1, kMostLayers).value_or(4),
              "chunked_attention");
        model_.notes.push_back(
            "Llama 4: every 4th layer attends to all, the others to chunks (known by model type, "
            "not in the file)");
      }
    } else if (config_.has("sliding_window") &&
               config_.flag({"use_sliding_window"}).value_or(true)) {
      types.assign(count(), "sliding_attention");
      const auto from = config_.integer({"max_window_layers"}, 0, kMostLayers);
      if (from && config_.has("use_sliding_window")) {
        for (std::size_t l = 0; l < count() && static_cast<std::int64_t>(l) < *from; ++l) {
          types[l] = "full_attention";
        }
      }
    }
    return types;
  }

  std::vector<NamedMixer> typed_layers() {
    const std::vector<std::string> types = layer_types();
    const GqaAttention base = mixers_.attention();
    config_.has("global_attn_every_n_layers");  // what layer_types says layer by layer
    // Cross-layer attention: of `share` layers the first has keys and values.
    const std::int64_t share = config_.flag({"use_cla"}).value_or(false)
                                   ? config_.required({"cla_share_factor"}, kMostLayers)
                                   : 1;
    std::vector<bool> sparse_layers(count(), false);
    SparseIndex sparse;
    if (const auto block = config_.child("sparse_attention_config")) {
      sparse = block_sparse(*block, sparse_layers);
    }
    std::vector<NamedMixer> list;
    for (const std::string& kind : types) {
      if (sparse.top_k > 0 && sparse_layers[list.size()] && kind == "full_attention") {
        GqaAttention a = mixers_.full(base);
        a.index = sparse;
        list.push_back({"sparse", a});
      } else if (kind == "full_attention" || kind == "attention" || kind == "global") {
        const bool has_keys = share < 2 || list.size() % static_cast<std::size_t>(share) == 0;
        list.push_back({has_keys ? "full" : "full-shared", mixers_.full(base)});
        if (!has_keys) std::get<GqaAttention>(list.back().mixer).reuses_cache = true;
      } else if (kind == "sliding_attention" || kind == "chunked_attention") {
        const bool chunk = kind == "chunked_attention";
        GqaAttention a = base;
        a.window = chunk ? config_.required({"attention_chunk_size"}, kMostTokens)
                         : config_.required({"sliding_window", "sliding_window_size"}, kMostTokens);
        if (model_.max_context > 0 && a.window >= model_.max_context) a.window = 0;
        if (!chunk) mixers_.step_window(a);
        list.push_back({a.window > 0 ? "window" : "full", a});
      } else if (kind == "linear_attention") {
        list.push_back(type() == "minimax_text_01" ? lightning(base)
                                                   : NamedMixer{"delta_net", mixers_.delta_net()});
      } else if (kind == "mamba") {
        list.push_back({"mamba", mixers_.mamba()});
      } else if (kind == "conv") {
        list.push_back({"conv", mixers_.short_convolution()});
      } else {
        config_.mistake("layer_types",
                        fmt::format("\"{}\" is not supported; full_attention, sliding_attention, "
                                    "chunked_attention, linear_attention, mamba and conv are",
                                    kind.substr(0, 40)));
        return {};
      }
    }
    return list;
  }

  const HfConfig& config_;
  const HfFamily* family_;
  std::int64_t layers_;
  ModelSpec& model_;
  HfMixers mixers_;
};

}  // namespace

std::vector<NamedMixer> read_hf_mixers(const HfConfig& config, const HfFamily* family,
                                       std::int64_t layers, ModelSpec& model) {
  return MixerReader(config, family, layers, model).read();
}

}  // namespace moesim::workloads
