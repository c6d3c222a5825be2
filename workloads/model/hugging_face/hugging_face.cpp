#include "workloads/model/hugging_face/hugging_face.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "sim/error.h"
#include "workloads/model/hugging_face/config.h"
#include "workloads/model/hugging_face/families.h"
#include "workloads/model/hugging_face/ffn.h"
#include "workloads/model/hugging_face/layers.h"
#include "workloads/model/hugging_face/nested.h"
#include "workloads/model/hugging_face/quantisation.h"
#include "workloads/model/model_check.h"

namespace moesim::workloads {

using sim::io::Json;

namespace {

// Keys of no consequence to what moesim computes, that unknown model types have too.
bool harmless(std::string_view key) {
  static constexpr std::array keys{"architectures",
                                   "auto_map",
                                   "transformers_version",
                                   "hidden_act",
                                   "hidden_activation",
                                   "activation_function",
                                   "initializer_range",
                                   "use_cache",
                                   "torch_dtype",
                                   "dtype",
                                   "pretraining_tp",
                                   "ep_size",
                                   "output_router_logits",
                                   "hidden_dropout",
                                   "attn_pdrop",
                                   "resid_pdrop",
                                   "embd_pdrop",
                                   "attention_dropout",
                                   "tokenizer_class",
                                   "hidden_size",
                                   "norm_head",
                                   "max_window_layers",
                                   "router_dtype",
                                   "num_labels",
                                   "_name_or_path",
                                   "name_or_path",
                                   "model_name",
                                   "is_decoder",
                                   "torchscript",
                                   "attn_implementation",
                                   "_attn_implementation",
                                   "layernorm_epsilon",
                                   "attention_multiplier",
                                   "attn_output_multiplier",
                                   "max_attn_value",
                                   "mamba_hidden_act",
                                   "mlp_hidden_act",
                                   "chunk_size",
                                   "use_mamba_kernels",
                                   "mamba_ssm_dtype",
                                   "full_attention_interval",
                                   "use_grouped_topk",
                                   "attention_value_scale",
                                   "moe_router_activation",
                                   "use_moe_router_bias",
                                   "hc_sinkhorn_iters",
                                   "layernorm_full_attention_alpha",
                                   "layernorm_full_attention_beta",
                                   "layernorm_linear_attention_alpha",
                                   "layernorm_linear_attention_beta",
                                   "layernorm_mlp_alpha",
                                   "layernorm_mlp_beta",
                                   "shared_moe_mode",
                                   "attn_type",
                                   "enable_moe_block",
                                   "use_bidirectional_attention",
                                   "rms_norm",
                                   "mtp_transformer_layers",
                                   "embedding_multiplier",
                                   "logits_scaling",
                                   "max_position_embeddings",
                                   "partial_rotary_factor",
                                   "rotary_dim",
                                   "aux_loss_alpha",
                                   "seq_aux"};
  if (std::find(keys.begin(), keys.end(), key) != keys.end()) return true;
  const auto has = [&](std::string_view part) { return key.find(part) != std::string_view::npos; };
  return has("token_id") || has("rope") || has("_eps") || has("loss") || has("dropout") ||
         has("initializer") || has("jitter") || has("epsilon");
}

// Whether a key looks as if it could change a shape.
bool shapes(std::string_view key) {
  static constexpr std::array parts{"expert", "moe",   "rank",      "head",   "dim",   "hidden",
                                    "layer",  "attn",  "attention", "mlp",    "ffn",   "ssm",
                                    "mamba",  "conv",  "window",    "latent", "state", "kv",
                                    "group",  "size",  "width",     "depth",  "num_",  "n_",
                                    "top",    "inter", "shared",    "dense",  "sparse"};
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
    return key.find(part) != std::string_view::npos;
  });
}

std::string list_of(const std::vector<std::string>& keys) {
  std::string text;
  for (std::size_t k = 0; k < keys.size() && k < 12; ++k)
    text += (k > 0 ? ", " : "") + keys[k].substr(0, 60);
  if (keys.size() > 12) text += fmt::format(" and {} more", keys.size() - 12);
  return text;
}

// Whether a key says something where its type has it: a count that begins at 1 does not by 0, no
// list does that is empty, but for one of layers.
bool says(const HfConfig& config, std::string_view key) {
  if (!config.given(key)) return false;
  static constexpr std::array from_zero{"shared",       "share_",      "first_k_dense",
                                        "dense_layers", "zero_expert", "moe_layer"};
  const bool may_be_none = std::ranges::any_of(
      from_zero, [&](std::string_view part) { return key.find(part) != std::string_view::npos; });
  const bool empty = config.is_list(key) && config.json()[std::string(key)].empty();
  return may_be_none || (config.has(key) && !empty);
}

void require_keys(const HfConfig& config, const HfFamily& family) {
  const bool dense = is_dense_member(config, &family);
  for (const std::string_view alternatives : family.keys) {
    const bool of_experts = alternatives.find("expert") != std::string_view::npos ||
                            alternatives.find("moe") != std::string_view::npos ||
                            alternatives == "first_k_dense_replace";
    bool found = dense && of_experts;
    std::string_view given;
    std::size_t start = 0;
    while (start <= alternatives.size()) {
      const std::size_t end = std::min(alternatives.find('|', start), alternatives.size());
      const std::string_view key = alternatives.substr(start, end - start);
      found = found || says(config, key);
      if (config.given(key)) given = key;
      start = end + 1;
    }
    if (found) continue;
    if (!given.empty()) {
      config.required({given});
      continue;
    }
    std::string names(alternatives);
    std::string first = names.substr(0, names.find('|'));
    config.mistake(first, fmt::format("missing; a config of type {} has it{}", family.type,
                                      first.size() < names.size()
                                          ? fmt::format(" (or {})", names.substr(first.size() + 1))
                                          : std::string()));
  }
}

void read_dtype(const HfConfig& config, ModelSpec& model) {
  // "dtype" is the newer name, which transformers believes where both are there.
  const char* const key = config.has("dtype") ? "dtype" : "torch_dtype";
  config.has("torch_dtype");
  auto dtype = config.text({key});
  if (!dtype) return;
  if (dtype->starts_with("torch.")) dtype->erase(0, 6);
  const auto precision = hardware::parse_precision(*dtype);
  if (!precision || hardware::bytes_per_element(*precision) < 2) {
    config.mistake(key, fmt::format("\"{}\" is not supported; bfloat16, float16 and float32 are",
                                    dtype->substr(0, 40)));
    return;
  }
  Formats& stored = model.stored;
  stored.other = stored.experts = stored.shared_experts = stored.attention = stored.dense_ffn =
      *precision;
}

// What a checkpoint holds beside the text's model.
constexpr std::array<std::pair<const char*, const char*>, 5> kOtherParts{
    {{"vision_config", "vision tower"},
     {"audio_config", "audio encoder"},
     {"speech_config", "speech encoder"},
     {"talker_config", "talker"},
     {"code2wav_config", "decoder of waves"}}};

// Llama 4's checkpoints hold a vision tower whose sizes their text config does not say.
void add_other_parts(const std::vector<HfConfig>& levels, std::string_view type, ModelSpec& model) {
  const HfConfig& root = levels.front();
  const bool conditional = [&] {
    for (const std::string& name : root.texts("architectures")) {
      if (name.find("ConditionalGeneration") != std::string::npos) return true;
    }
    return false;
  }();
  if (type == "llama4_text" && conditional) {
    // 34 layers of width 1408 (FFN 5632, biases, two layer norms), patches of 14 x 14 x 3, 577
    // positions, three layer norms; a pixel-shuffle MLP 5632 -> 4096 -> 4096 and the projector to
    // the text's width.
    const std::int64_t w = 1408, f = 5632, wide = 4096;
    const std::int64_t layer = 4 * w * w + 4 * w + 2 * w * f + f + w + 4 * w;
    model.unused_params =
        34 * layer + 588 * w + 577 * w + w + 4 * w + f * wide + wide * wide + wide * model.hidden;
    model.notes.push_back(
        "Llama 4: the vision tower (0.87 B parameters; known by model type, not in the file) is in "
        "the total and in memory, never active for text");
    return;
  }
  for (const HfConfig& level : levels) {
    for (const auto& [key, part] : kOtherParts) {
      if (level.has(key))
        model.notes.push_back(fmt::format("{}: the {} is not counted", key, part));
    }
  }
}

void read_prediction(const HfConfig& config, ModelSpec& model) {
  // Some count the modules that were trained, some those that the checkpoint holds.
  std::vector<std::string> differ;
  const auto modules = config.either(
      {"num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "num_mtp_layers"}, 0,
      kMostLayers, differ);
  for (const std::string& other : differ) {
    model.notes.push_back(fmt::format("{} prediction modules are taken, but {}", *modules, other));
  }
  if (!modules || *modules == 0 || model.layers.empty()) return;
  if (config.has("hybrid_override_pattern")) {
    model.notes.push_back("multi-token prediction modules are not counted");
    return;
  }
  model.prediction_layers = *modules;
  model.prediction_kind = model.layers.back();
}

void read_context(const HfConfig& config, ModelSpec& model) {
  // model_max_length is the tokenizer's, max_seq_len may be what a demo allocates.
  std::vector<std::string> differ;
  model.max_context =
      config
          .either({"max_position_embeddings", "max_seq_len", "max_sequence_length", "n_positions",
                   "model_max_length", "max_position_embedding", "seq_length"},
                  1, kMostTokens, differ)
          .value_or(0);
  for (const std::string& other : differ) {
    model.notes.push_back(
        fmt::format("a context of {} tokens is taken, but {}", model.max_context, other));
  }
}

// The number of layers, or of the entries of a list that has one for each.
std::int64_t layer_count(const HfConfig& config) {
  static const HfConfig::Keys kKeys{"num_hidden_layers", "n_layers", "n_layer", "num_layers"};
  if (std::any_of(kKeys.begin(), kKeys.end(), [&](auto key) { return config.given(key); })) {
    return config.required(kKeys, kMostLayers);
  }
  for (const char* key :
       {"hybrid_override_pattern", "layers_block_type", "layer_types", "hybrid_layer_pattern",
        "attn_type_list", "mlp_layer_types", "moe_layer_freq", "is_moe_layer", "no_rope_layers"}) {
    if (!config.is_list(key) && !config.is_text(key)) continue;
    const Json& list = config.json()[key];
    const std::size_t entries =
        list.is_string() ? list.get_ref<const std::string&>().size() : list.size();
    if (entries >= 1 && entries <= static_cast<std::size_t>(kMostLayers)) {
      return static_cast<std::int64_t>(entries);
    }
    config.mistake(key, fmt::format("expected 1 to {} {}", kMostLayers,
                                    list.is_string() ? "letters" : "entries"));
    return 1;
  }
  return config.required(kKeys, kMostLayers);
}

// The block that says how the weights are quantised, of the outermost level that has one. One under
// a name that is not known is a mistake: its weights are not in 16 bits.
std::optional<HfConfig> quantisation_of(const std::vector<HfConfig>& levels) {
  std::optional<HfConfig> block;
  for (const HfConfig& level : levels) {
    for (const char* key : {"quantization_config", "compression_config"}) {
      if (!block && level.has(key)) block = level.child(key);
    }
    for (const auto& [key, value] : level.json().items()) {
      const bool named = key.find("quant") != std::string::npos && key != "quantization_config";
      const std::string_view text =
          value.is_string() ? value.get_ref<const std::string&>() : std::string_view{};
      const bool says =
          value.is_string() ? !text.empty() && text != "none" : value.is_object() && !value.empty();
      if (named && says && !block) {
        level.mistake(key,
                      "a quantisation under this name is not understood; quantization_config and "
                      "compression_config are");
      }
    }
  }
  return block;
}

// xAI's Grok 2 calls its type "git"; its architecture is Grok 1's with a dense branch.
std::string type_by_architecture(const HfConfig& root, const std::string& type) {
  for (const std::string& name : root.texts("architectures")) {
    if (name == "Grok1ForCausalLM" && root.flag({"residual_moe"}).value_or(false)) return "grok-2";
  }
  return type;
}

// A second file that says how the weights are quantised.
struct BesideConfig {
  std::string name;
  Json json = {};
};
constexpr const char* kModelOptFile = "hf_quant_config.json";

void read_quantisation(const HfConfig& config, const std::vector<HfConfig>& levels,
                       const std::optional<BesideConfig>& beside, ModelSpec& model) {
  const std::optional<HfConfig> block = quantisation_of(levels);
  const bool modelopt = beside && beside->name == kModelOptFile;
  if (block) read_hf_quantisation(*block, config, modelopt, model);
  if (!beside) return;
  if (!beside->json.is_object()) throw sim::ConfigError(beside->name + ": expected an object");
  const HfConfig file(beside->json, beside->name);
  if (!modelopt) {
    // AutoAWQ's and AutoGPTQ's, which say the same as a block where there is one.
    if (!block) read_hf_quantisation(file, config, false, model);
  } else if (!block || quantisation_method(*block).starts_with("modelopt")) {
    // The block in the config repeats it, or is of another tool; mixed formats are only here.
    read_modelopt_file(file, model);
  }
  file.throw_mistakes();
}

ModelSpec read(const Json& json, const std::string& name,
               const std::optional<BesideConfig>& beside) {
  if (!json.is_object())
    throw sim::ConfigError(name + ": expected an object with the keys of a model");
  const HfConfig root(json, name);
  const std::vector<HfConfig> levels = text_model_levels(root);
  const HfConfig& config = levels.back();
  ModelSpec model;
  std::string type = type_of(levels);
  root.throw_mistakes();
  if (type.empty())
    config.mistake("model_type", "missing; it names the architecture, such as mixtral");
  if (type.starts_with("ernie4_5") && type.find("vl") != std::string::npos) {
    config.mistake("model_type",
                   "experts for texts and others for images, of two widths, are not supported; "
                   "describe the model in a .yaml file");
    root.throw_mistakes();
  }
  model.family = type;
  model.name = config.text({"_name_or_path", "name_or_path", "model_name"}).value_or("");

  type = type_by_architecture(root, type);
  const bool switching = type == "switch_transformers";
  const bool t5 = type == "t5" || type == "mt5" || switching;
  const HfFamily* family = t5 ? nullptr : find_family(type);
  // Every later mistake follows from a missing key.
  if (family != nullptr) require_keys(config, *family);

  model.hidden = config.required({"hidden_size", "d_model", "n_embd"});
  model.vocab = config.required({"vocab_size"});
  read_context(config, model);
  model.tied_embeddings = t5 || (family != nullptr && family->tied_by_default);
  for (const HfConfig& level : levels) {
    model.tied_embeddings = level.flag({"tie_word_embeddings"}).value_or(model.tied_embeddings);
  }
  if (family != nullptr) {
    model.counting = family->counting;
    model.final_norms = family->final_norms;
    // GLM-4.5 (355 B) counts its prediction layers, GLM-4.5-Air (106 B) does not.
    // Moonlight's 2.24 B leave out embedding and head, DeepSeek-V3's 37 B (its type) only the
    // first.
    if (family->type == "deepseek_v3" && model.hidden == 2048) {
      model.counting.head_in_active = false;
    }
    if (family->type == "glm4_moe" && model.hidden == 5120) model.counting.prediction_layers = true;
  }
  for (const HfConfig& level : levels) read_dtype(level, model);

  if (t5) {
    read_hf_t5(config, switching, model);
  } else {
    const std::int64_t layers = layer_count(config);
    root.throw_mistakes();
    read_hf_layers(config, family, layers, model);
  }
  root.throw_mistakes();

  read_prediction(config, model);
  read_quantisation(config, levels, beside, model);
  add_other_parts(levels, type == "llama4" ? "llama4_text" : type, model);
  root.throw_mistakes();

  std::vector<std::string> unread;
  for (const std::string& key : config.unread()) {
    if (!harmless(key) && shapes(key)) unread.push_back(key);
  }
  if (family == nullptr && !t5) {
    if (!unread.empty()) {
      throw sim::ConfigError(
          fmt::format("{}: model_type: \"{}\" is not known, and these keys of it are not "
                      "understood: {}; describe the "
                      "model in a .yaml file, or leave out what has no bearing on shapes",
                      name, type.substr(0, 60), list_of(unread)));
    }
    model.notes.push_back(
        fmt::format("model_type \"{}\" is not known: read by its keys alone", type.substr(0, 60)));
    if (std::ranges::none_of(levels,
                             [](const HfConfig& l) { return l.given("tie_word_embeddings"); }))
      model.notes.push_back(
          "tie_word_embeddings is not given: the head is counted as a matrix of its own");
    const std::string act =
        config.text({"hidden_act", "hidden_activation", "activation_function"}).value_or("silu");
    if (act != "silu" && act != "swiglu")
      model.notes.push_back(fmt::format(
          "its FFNs are taken to be gated (three matrices), of which \"{}\" says nothing",
          act.substr(0, 60)));
  } else if (!unread.empty()) {
    model.notes.push_back("keys that are not used: " + list_of(unread));
  }
  if (model.name.empty()) {
    // "DeepSeek-V3/config.json" is DeepSeek-V3.
    const std::filesystem::path path(name);
    const std::string folder = path.parent_path().filename().string();
    model.name =
        path.filename() == "config.json" && !folder.empty() ? folder : path.stem().string();
  }
  check_model_of(model, name);
  return model;
}

}  // namespace

ModelSpec import_hugging_face(const std::filesystem::path& file) {
  const Json json = sim::io::read_json(file);
  for (const char* name : {kModelOptFile, "quant_config.json", "quantize_config.json"}) {
    const std::filesystem::path beside = file.parent_path() / name;
    std::error_code ignored;
    if (file.filename() != name && std::filesystem::is_regular_file(beside, ignored))
      return read(json, file.string(), BesideConfig{name, sim::io::read_json(beside)});
  }
  return read(json, file.string(), std::nullopt);
}

ModelSpec parse_hugging_face(std::string_view text, const std::string& name,
                             std::string_view quantisation) {
  const Json json = sim::io::parse_json(text, name);
  if (quantisation.empty()) return read(json, name, std::nullopt);
  return read(json, name,
              BesideConfig{kModelOptFile, sim::io::parse_json(quantisation, kModelOptFile)});
}

}  // namespace moesim::workloads
