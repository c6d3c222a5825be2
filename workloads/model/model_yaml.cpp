#include "workloads/model/model_yaml.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <span>

#include "sim/io/yaml_reader.h"
#include "workloads/model/model_check.h"

namespace moesim::workloads {

namespace {

using sim::io::YamlDocument;
using sim::io::YamlNode;

constexpr std::int64_t kMost = std::int64_t{1} << 40;

std::int64_t count(const YamlNode& node, std::string_view key, std::int64_t fallback = 0) {
  const auto value = node.find(key);
  return value ? value->integer(0, kMost) : fallback;
}

std::int64_t required(const YamlNode& node, std::string_view key) {
  return node.at(key).integer(1, kMost);
}

bool flag(const YamlNode& node, std::string_view key, bool fallback) {
  const auto value = node.find(key);
  return value ? value->boolean() : fallback;
}

// Without heads: the choice of a layer before is used.
SparseIndex read_index(const YamlNode& node) {
  const auto index = node.find("index");
  if (!index) return {};
  index->allow_only({"heads", "head_dim", "top_k"});
  const std::int64_t top_k = required(*index, "top_k");
  if (!index->find("heads") && !index->find("head_dim")) return {.top_k = top_k};
  return {
      .heads = required(*index, "heads"), .head_dim = required(*index, "head_dim"), .top_k = top_k};
}

GqaAttention read_gqa(const YamlNode& node) {
  node.allow_only({"kind", "heads", "kv_heads", "head_dim", "value_dim", "window", "qk_norm",
                   "qkv_bias", "output_bias", "sinks", "key_is_value", "output_gate",
                   "reuses_cache", "query_rank", "index"});
  GqaAttention a;
  a.heads = required(node, "heads");
  a.kv_heads = count(node, "kv_heads", a.heads);
  a.head_dim = required(node, "head_dim");
  a.value_dim = count(node, "value_dim");
  a.window = count(node, "window");
  if (const auto norm = node.find("qk_norm")) {
    a.qk_norm = std::array{QkNorm::None, QkNorm::PerHead,
                           QkNorm::PerLayer}[norm->one_of({"none", "per_head", "per_layer"})];
  }
  a.qkv_bias = flag(node, "qkv_bias", false);
  a.output_bias = flag(node, "output_bias", false);
  a.sinks = flag(node, "sinks", false);
  a.key_is_value = flag(node, "key_is_value", false);
  a.output_gate = count(node, "output_gate");
  a.reuses_cache = flag(node, "reuses_cache", false);
  a.query_rank = count(node, "query_rank");
  a.index = read_index(node);
  return a;
}

MlaAttention read_mla(const YamlNode& node) {
  node.allow_only({"kind", "heads", "q_lora_rank", "kv_lora_rank", "nope_dim", "rope_dim",
                   "value_dim", "index", "output_gate"});
  MlaAttention a;
  a.heads = required(node, "heads");
  a.q_lora_rank = count(node, "q_lora_rank");
  a.kv_lora_rank = required(node, "kv_lora_rank");
  a.nope_dim = required(node, "nope_dim");
  a.rope_dim = count(node, "rope_dim");
  a.value_dim = required(node, "value_dim");
  a.index = read_index(node);
  a.output_gate = flag(node, "output_gate", false);
  return a;
}

CompressedAttention read_compressed(const YamlNode& node) {
  node.allow_only({"kind", "heads", "head_dim", "q_lora_rank", "window", "compress",
                   "compress_overlap", "output_groups", "output_lora_rank", "index"});
  CompressedAttention a;
  a.heads = required(node, "heads");
  a.head_dim = required(node, "head_dim");
  a.q_lora_rank = required(node, "q_lora_rank");
  a.window = required(node, "window");
  a.compress = count(node, "compress");
  a.compress_overlap = count(node, "compress_overlap", 1);
  a.output_groups = required(node, "output_groups");
  a.output_lora_rank = required(node, "output_lora_rank");
  a.index = read_index(node);
  return a;
}

LinearAttention read_linear(const YamlNode& node, LinearKind kind) {
  node.allow_only({"kind", "key_heads", "value_heads", "key_dim", "value_dim", "convolution"});
  LinearAttention a;
  a.kind = kind;
  a.key_heads = required(node, "key_heads");
  a.value_heads = count(node, "value_heads", a.key_heads);
  a.key_dim = required(node, "key_dim");
  a.value_dim = count(node, "value_dim", a.key_dim);
  a.convolution = count(node, "convolution");
  return a;
}

MambaMixer read_mamba(const YamlNode& node, bool first) {
  MambaMixer m;
  m.heads = required(node, "heads");
  m.head_dim = required(node, "head_dim");
  if (first) {
    node.allow_only(
        {"kind", "heads", "head_dim", "dt_rank", "state", "convolution", "convolution_bias"});
    m.groups = 1;
    m.dt_rank = required(node, "dt_rank");
  } else {
    node.allow_only(
        {"kind", "heads", "head_dim", "groups", "state", "convolution", "convolution_bias"});
    m.groups = required(node, "groups");
  }
  m.state = required(node, "state");
  m.convolution = count(node, "convolution", 4);
  m.convolution_bias = flag(node, "convolution_bias", true);
  return m;
}

Mixer read_mixer(const YamlNode& node) {
  switch (
      node.at("kind").one_of({"none", "gqa", "mla", "compressed", "lightning", "gated_delta_net",
                              "kimi_delta", "mamba2", "lstm", "mamba1", "short_convolution"})) {
    case 1:
      return read_gqa(node);
    case 2:
      return read_mla(node);
    case 3:
      return read_compressed(node);
    case 4:
      return read_linear(node, LinearKind::Lightning);
    case 5:
      return read_linear(node, LinearKind::GatedDeltaNet);
    case 6:
      return read_linear(node, LinearKind::KimiDelta);
    case 7:
      return read_mamba(node, false);
    case 8:
      node.allow_only({"kind", "units"});
      return LstmMixer{required(node, "units")};
    case 9:
      return read_mamba(node, true);
    case 10:
      return read_linear(node, LinearKind::ShortConvolution);
    default:
      node.allow_only({"kind"});
      return NoMixer{};
  }
}

Router read_router(const YamlNode& node) {
  node.allow_only({"kind", "bias", "linear_bias", "normalise", "scaling", "groups", "top_groups",
                   "capacity_factor"});
  static constexpr std::array kinds{
      RouterKind::SoftmaxTopK, RouterKind::TopKSoftmax,  RouterKind::Sigmoid, RouterKind::NoisyTopK,
      RouterKind::Capacity,    RouterKind::ExpertChoice, RouterKind::Dense,   RouterKind::Hash};
  Router r;
  r.kind = kinds[node.at("kind").one_of({"softmax_top_k", "top_k_softmax", "sigmoid", "noisy_top_k",
                                         "capacity", "expert_choice", "dense", "hash"})];
  r.bias = flag(node, "bias", false);
  r.linear_bias = flag(node, "linear_bias", false);
  r.normalise = flag(node, "normalise", true);
  if (const auto scaling = node.find("scaling")) r.scaling = scaling->number(0, 1e6);
  r.groups = count(node, "groups", 1);
  r.top_groups = count(node, "top_groups", r.groups);
  if (const auto factor = node.find("capacity_factor")) {
    r.capacity_factor = factor->number(0, 1e6);
  }
  return r;
}

MoeFfn read_moe(const YamlNode& node) {
  node.allow_only({"kind", "experts", "top_k", "inter", "gated", "bias", "shared_experts",
                   "shared_inter", "shared_gate", "residual_inter", "latent", "router"});
  MoeFfn f;
  f.experts = required(node, "experts");
  f.top_k = required(node, "top_k");
  f.inter = required(node, "inter");
  f.gated = flag(node, "gated", true);
  f.bias = flag(node, "bias", false);
  f.shared_experts = count(node, "shared_experts");
  f.shared_inter = count(node, "shared_inter", f.shared_experts > 0 ? f.inter : 0);
  f.shared_gate = flag(node, "shared_gate", false);
  f.residual_inter = count(node, "residual_inter");
  f.latent = count(node, "latent");
  f.router = read_router(node.at("router"));
  return f;
}

Ffn read_ffn(const YamlNode& node) {
  switch (node.at("kind").one_of({"none", "dense", "moe"})) {
    case 1:
      node.allow_only({"kind", "inter", "gated", "bias"});
      return DenseFfn{required(node, "inter"), flag(node, "gated", true),
                      flag(node, "bias", false)};
    case 2:
      return read_moe(node);
    default:
      node.allow_only({"kind"});
      return NoFfn{};
  }
}

// Reads the layers of one file: named mixers and FFNs, and runs of layers that use them.
class LayerReader {
 public:
  LayerReader(const YamlNode& root, ModelSpec& model) : model_(model) {
    for (const auto& [name, node] : root.at("mixers").entries()) {
      mixers_.emplace(name, read_mixer(node));
      mixer_names_.push_back(name);
    }
    for (const auto& [name, node] : root.at("ffns").entries()) {
      ffns_.emplace(name, read_ffn(node));
      ffn_names_.push_back(name);
    }
    norms_ = count(root, "norms", 2);
  }

  // Returns how many layers were added.
  std::int64_t read_runs(const YamlNode& list) {
    const std::size_t before = model_.layers.size();
    for (const YamlNode& run : list.items()) {
      const std::int64_t repeat = run.find("repeat") ? run.at("repeat").integer(1, 10'000) : 1;
      std::vector<std::size_t> pattern;
      if (const auto items = run.find("pattern")) {
        run.allow_only({"repeat", "pattern"});
        for (const YamlNode& item : items->items()) {
          const std::size_t kind = read_kind(item, false);
          const std::int64_t times = item.find("repeat") ? item.at("repeat").integer(1, 10'000) : 1;
          pattern.insert(pattern.end(), static_cast<std::size_t>(times), kind);
        }
      } else {
        pattern.push_back(read_kind(run, false));
      }
      if (static_cast<std::int64_t>(model_.layers.size()) +
              repeat * static_cast<std::int64_t>(pattern.size()) >
          10'000) {
        run.error("expected at most 10000 layers");
        return 0;
      }
      for (std::int64_t r = 0; r < repeat; ++r) {
        model_.layers.insert(model_.layers.end(), pattern.begin(), pattern.end());
      }
    }
    return static_cast<std::int64_t>(model_.layers.size() - before);
  }

  // The kind that a layer of the file is of; new ones are added to the model.
  std::size_t read_kind(const YamlNode& node, bool prediction) {
    if (prediction) {
      node.allow_only({"layers", "mixer", "ffn"});
    } else {
      node.allow_only({"repeat", "mixer", "ffn", "cross", "norms"});
    }
    LayerKind kind;
    const std::string mixer = named(node.at("mixer"), mixer_names_);
    const std::string ffn = named(node.at("ffn"), ffn_names_);
    kind.name = mixer + "+" + ffn;
    if (const auto found = mixers_.find(mixer); found != mixers_.end()) kind.mixer = found->second;
    if (const auto found = ffns_.find(ffn); found != ffns_.end()) kind.ffn = found->second;
    if (const auto cross = node.find("cross")) {
      const std::string name = named(*cross, mixer_names_);
      kind.name += "+" + name;
      if (const auto found = mixers_.find(name); found != mixers_.end()) {
        if (const auto* gqa = std::get_if<GqaAttention>(&found->second)) {
          kind.cross = *gqa;
        } else {
          cross->error("expected a mixer of kind gqa");
        }
      }
    }
    kind.norms = count(node, "norms", norms_);
    if (kind.norms != norms_) kind.name += fmt::format("+{} norms", kind.norms);
    for (std::size_t k = 0; k < model_.kinds.size(); ++k) {
      if (model_.kinds[k].name == kind.name) return k;
    }
    model_.kinds.push_back(std::move(kind));
    return model_.kinds.size() - 1;
  }

 private:
  static std::string named(const YamlNode& node, const std::vector<std::string>& names) {
    std::vector<std::string_view> views(names.begin(), names.end());
    const std::size_t place = node.one_of(std::span<const std::string_view>(views));
    return place < names.size() ? names[place] : std::string();
  }

  ModelSpec& model_;
  std::map<std::string, Mixer> mixers_;
  std::map<std::string, Ffn> ffns_;
  std::vector<std::string> mixer_names_, ffn_names_;
  std::int64_t norms_ = 2;
};

hardware::Precision read_precision(const YamlNode& node) {
  const std::size_t place =
      node.one_of(std::span<const std::string_view>(hardware::kPrecisionNames));
  return place < hardware::kPrecisions.size() ? hardware::kPrecisions[place]
                                              : hardware::Precision::BF16;
}

Formats read_stored(const YamlNode& node) {
  node.allow_only({"other", "experts", "shared_experts", "attention", "dense_ffn", "kv_cache"});
  Formats stored;
  if (const auto v = node.find("other")) {
    stored.other = read_precision(*v);
    stored.experts = stored.shared_experts = stored.attention = stored.dense_ffn = stored.other;
  }
  if (const auto v = node.find("experts")) stored.experts = read_precision(*v);
  if (const auto v = node.find("shared_experts")) stored.shared_experts = read_precision(*v);
  if (const auto v = node.find("attention")) stored.attention = read_precision(*v);
  if (const auto v = node.find("dense_ffn")) stored.dense_ffn = read_precision(*v);
  if (const auto v = node.find("kv_cache")) stored.kv_cache = read_precision(*v);
  return stored;
}

ModelSpec read_model(const YamlDocument& document) {
  const YamlNode root = document.root();
  root.allow_only({"name",        "family",      "hidden",    "vocab",        "tied_embeddings",
                   "head",        "max_context", "positions", "other_params", "unused_params",
                   "final_norms", "norms",       "mixers",    "ffns",         "encoder",
                   "layers",      "prediction",  "stored",    "counting",     "published",
                   "notes",       "aliases"});
  ModelSpec model;
  model.name = root.at("name").text();
  if (const auto aliases = root.find("aliases")) {
    for (const YamlNode& alias : aliases->items()) model.aliases.push_back(alias.text());
  }
  if (const auto family = root.find("family")) model.family = family->text();
  model.hidden = required(root, "hidden");
  model.vocab = count(root, "vocab");
  model.head = flag(root, "head", model.vocab > 0);
  model.tied_embeddings = flag(root, "tied_embeddings", false);
  model.max_context = count(root, "max_context");
  model.positions = count(root, "positions");
  model.other_params = count(root, "other_params");
  model.unused_params = count(root, "unused_params");
  model.final_norms = count(root, "final_norms", 1);

  LayerReader layers(root, model);
  if (const auto encoder = root.find("encoder")) model.encoder_layers = layers.read_runs(*encoder);
  layers.read_runs(root.at("layers"));
  if (const auto prediction = root.find("prediction")) {
    model.prediction_layers = required(*prediction, "layers");
    model.prediction_kind = layers.read_kind(*prediction, true);
  }
  if (const auto stored = root.find("stored")) model.stored = read_stored(*stored);
  if (const auto counting = root.find("counting")) {
    counting->allow_only({"prediction_layers", "embedding_in_total", "head_in_total",
                          "embedding_in_active", "head_in_active"});
    model.counting = {.prediction_layers = flag(*counting, "prediction_layers", false),
                      .embedding_in_total = flag(*counting, "embedding_in_total", true),
                      .head_in_total = flag(*counting, "head_in_total", true),
                      .embedding_in_active = flag(*counting, "embedding_in_active", true),
                      .head_in_active = flag(*counting, "head_in_active", true)};
  }
  if (const auto published = root.find("published")) {
    published->allow_only({"total_billion", "active_billion", "source", "confirmed"});
    if (const auto v = published->find("total_billion")) {
      model.published.total_billion = v->number(0, 1e9);
    }
    if (const auto v = published->find("active_billion")) {
      model.published.active_billion = v->number(0, 1e9);
    }
    model.published.source = published->at("source").text();
    model.published.confirmed = flag(*published, "confirmed", true);
  }
  if (const auto notes = root.find("notes")) {
    for (const YamlNode& note : notes->items()) model.notes.push_back(note.text());
  }
  document.throw_errors();
  check_model_of(model, document.name());
  return model;
}

}  // namespace

ModelSpec load_model_yaml(const std::filesystem::path& file) {
  return read_model(YamlDocument::load(file));
}

ModelSpec parse_model_yaml(std::string_view text, const std::string& name) {
  return read_model(YamlDocument::parse(text, name));
}

}  // namespace moesim::workloads
