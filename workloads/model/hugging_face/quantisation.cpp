#include "workloads/model/hugging_face/quantisation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "workloads/model/hugging_face/quantisation_notes.h"
#include "workloads/model/hugging_face/quantised_tensors.h"

namespace moesim::workloads {

using hardware::Precision;
using sim::io::Json;

namespace {

constexpr const char* kMethods =
    "fp8, mxfp4, compressed-tensors, modelopt, awq, gptq and auto-round";
constexpr const char* kAlgorithms =
    "FP8, FP8_PB_WO, NVFP4, W4A16_NVFP4, MXFP4, W4A16_AWQ, INT8_SQ and MIXED_PRECISION";

std::string short_text(const std::string& text) {
  return text.substr(0, 40);
}

// Adds a rule and says where its pattern is not understood.
void add(QuantisationRules& rules, const HfConfig& block, std::string_view key,
         const std::string& pattern, QuantisedFormat format) {
  if (rules.add(pattern, format)) return;
  block.mistake(
      key, fmt::format("\"{}\" is no regular expression that is understood", short_text(pattern)));
}

// The matrices that a list of the block leaves alone, first of all rules.
QuantisationRules rules_of(const HfConfig& block) {
  QuantisationRules rules;
  for (const char* key : {"modules_to_not_convert", "ignore", "ignored_layers", "exclude_modules",
                          "modules_to_not_quantize"}) {
    for (const std::string& pattern : block.texts(key)) add(rules, block, key, pattern, {});
  }
  return rules;
}

void apply(const QuantisationRules& rules, const HfConfig& block, std::string_view key,
           ModelSpec& model, std::span<const WeightPart> parts = kWeightParts) {
  if (rules.apply(model, parts)) return;
  block.mistake(key,
                "names no matrix of this model that is known: all of it would stay in 16 bits");
}

// Of lists within lists, too.
std::vector<std::string> nested_texts(const HfConfig& block, std::string_view key) {
  std::vector<std::string> texts;
  if (!block.is_list(key)) return texts;
  const auto add = [&](const Json& item) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  };
  for (const Json& item : block.json().at(key)) {
    if (item.is_array()) {
      for (const Json& inner : item) add(inner);
    } else {
      add(item);
    }
  }
  return texts;
}

std::optional<Precision> by_bits(std::int64_t bits, std::string_view type, std::int64_t group) {
  if (type == "float" && bits == 8) return Precision::FP8;
  if (type == "int" && bits == 8) return Precision::INT8;
  if (type == "int" && bits == 4) return Precision::INT4;
  if (type == "float" && bits == 4) return group == 32 ? Precision::MXFP4 : Precision::NVFP4;
  return {};
}

// What one of ModelOpt's names does to weights.
struct Algorithm {
  bool known = false;
  std::optional<Precision> weights = {};
};

Algorithm by_algorithm(std::string name) {
  static constexpr std::array<std::pair<std::string_view, Precision>, 25> kKnown{
      {{"FP8", Precision::FP8},
       {"FP8_PER_CHANNEL_PER_TOKEN", Precision::FP8},
       {"W8A16_FP8", Precision::FP8},
       {"FP8_PB_WO", Precision::FP8Block},
       {"FP8_PB_REAL", Precision::FP8Block},
       {"FP8_BLOCK_SCALES", Precision::FP8Block},
       {"NVFP4", Precision::NVFP4},
       {"NVFP4_AWQ", Precision::NVFP4},
       {"NVFP4_SVDQUANT", Precision::NVFP4},
       {"W4A16_NVFP4", Precision::NVFP4},
       {"W4A8_NVFP4_FP8", Precision::NVFP4},
       {"W4A4_NVFP4", Precision::NVFP4},
       {"MXFP4", Precision::MXFP4},
       {"W4A16_MXFP4", Precision::MXFP4},
       {"W4A8_MXFP4_FP8", Precision::MXFP4},
       {"W4A8_MXFP4_MXFP8", Precision::MXFP4},
       {"W4A16", Precision::INT4},
       {"W4A16_AWQ", Precision::INT4},
       {"INT4_AWQ", Precision::INT4},
       {"W4A8_AWQ", Precision::INT4},
       {"W4A16_GPTQ", Precision::INT4},
       {"W8A16", Precision::INT8},
       {"W8A16_GPTQ", Precision::INT8},
       {"INT8_SQ", Precision::INT8},
       {"W8A8_SQ_PER_CHANNEL", Precision::INT8}}};
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  if (name == "NONE" || name.empty()) return {.known = true};
  for (const auto& [known, precision] : kKnown) {
    if (name == known) return {.known = true, .weights = precision};
  }
  return {};
}

// The cache's format by name: "FP8"; of a scheme also "static", scales of an 8-bit cache.
void named_cache(const HfConfig& block, std::string_view key, ModelSpec& model) {
  const auto name = block.text({key});
  if (!name) return;
  const Algorithm format =
      by_algorithm(key == "kv_cache_scheme" && *name == "static" ? "FP8" : *name);
  if (!format.known) {
    block.mistake(std::string(key),
                  fmt::format("\"{}\" is not supported; FP8 and NVFP4 are", short_text(*name)));
  } else if (format.weights) {
    model.stored.kv_cache = *format.weights;
  }
}

// Or as {"num_bits": 8, "type": "float"}.
void read_cache(const HfConfig& block, ModelSpec& model) {
  named_cache(block, "kv_cache_quant_algo", model);
  if (block.is_text("kv_cache_scheme")) {
    named_cache(block, "kv_cache_scheme", model);
    return;
  }
  if (const auto scheme = block.child("kv_cache_scheme")) {
    const std::int64_t bits = scheme->integer({"num_bits"}, 1, 64).value_or(16);
    const std::string type = scheme->text({"type"}).value_or("float");
    if (bits == 8) {
      model.stored.kv_cache = type == "int" ? Precision::INT8 : Precision::FP8;
    } else if (bits == 4 && type == "float") {
      model.stored.kv_cache = Precision::NVFP4;
    } else if (bits < 16) {
      scheme->mistake("num_bits", fmt::format("a cache of {} bits of type {} is not supported; "
                                              "float 8 and 4 and int 8 are",
                                              bits, short_text(type)));
    }
  }
}

// Numbers that share a scale; -1: all of a row.
std::optional<std::int64_t> group_of(const HfConfig& block) {
  return block.integer({"group_size", "q_group_size"}, -1, kMostWidth);
}

MatrixFormat grouped(Precision precision, std::optional<std::int64_t> group, bool zeros) {
  // The microscaling fp8 has groups of 32, others of fp8 a scale for all of a row or matrix.
  const bool has = is_integer(precision) || (precision == Precision::FP8 && group == 32);
  if (!has || group.value_or(0) <= 0) return {precision};
  return {precision, *group, zeros};
}

// "Linear" is every matrix; a class such as Qwen3MoeExperts the experts.
std::string target_pattern(const std::string& target) {
  const bool is_class = !target.empty() && target.front() >= 'A' && target.front() <= 'Z' &&
                        target.find('.') == std::string::npos;
  if (target == "Linear") return "*";
  const bool moe = target.find("MoE") != std::string::npos ||
                   target.find("Moe") != std::string::npos ||
                   target.find("Expert") != std::string::npos;
  return is_class && moe ? "*experts*" : target;
}

void compressed_tensors(const HfConfig& block, QuantisationRules rules, ModelSpec& model) {
  const auto groups = block.child("config_groups");
  if (!groups) {
    block.mistake("config_groups", "missing");
    return;
  }
  bool one = false;
  // Names before classes: what a group names is its own, whatever the group of all Linear says.
  std::vector<std::pair<std::string, QuantisedFormat>> classes;
  for (const auto& [name, value] : groups->json().items()) {
    const auto group = groups->child(name);
    const auto weights = group ? group->child("weights") : std::nullopt;
    if (!weights) continue;
    const std::int64_t bits = weights->integer({"num_bits"}, 1, 64).value_or(0);
    const std::string type = weights->text({"type"}).value_or("int");
    const std::int64_t size = group_of(*weights).value_or(0);
    auto precision = by_bits(bits, type, size);
    if (precision == Precision::FP8 && weights->text({"strategy"}).value_or("") == "block") {
      const auto blocks = weights->integers("block_structure", kMostWidth);
      if (!blocks.empty() && blocks != std::vector<std::int64_t>{128, 128}) {
        weights->mistake("block_structure", "only blocks of [128, 128] are supported");
      }
      precision = Precision::FP8Block;
    }
    if (!precision) {
      weights->mistake(
          "num_bits",
          fmt::format("{} bits of type {} are not supported; float 8 and 4, int 8 and 4 are", bits,
                      type.substr(0, 20)));
      return;
    }
    one = true;
    const MatrixFormat format =
        grouped(*precision, size, !weights->flag({"symmetric"}).value_or(true));
    std::vector<std::string> targets = group->texts("targets");
    if (targets.empty()) targets.emplace_back("Linear");
    for (const std::string& target : targets) {
      const std::string pattern = target_pattern(target);
      if (pattern != target) {
        classes.emplace_back(pattern, format);
      } else {
        add(rules, *group, "targets", pattern, format);
      }
    }
  }
  if (!one) {
    block.mistake("config_groups", "holds no group with weights");
    return;
  }
  for (const auto& [pattern, format] : classes) {
    if (pattern != "*") add(rules, block, "config_groups", pattern, format);
  }
  for (const auto& [pattern, format] : classes) {
    if (pattern == "*") rules.otherwise(format);
  }
  apply(rules, block, "config_groups", model);
}

MatrixFormat grouped(Precision precision, const HfConfig& modelopt) {
  return grouped(precision, group_of(modelopt), modelopt.flag({"has_zero_point"}).value_or(false));
}

// {"model.layers.3.mlp.experts": {"quant_algo": "NVFP4", "group_size": 16}, ...}
void mixed(const HfConfig& block, QuantisationRules rules, ModelSpec& model) {
  const auto layers = block.child("quantized_layers");
  if (!layers) {
    block.mistake("quantized_layers",
                  "missing; MIXED_PRECISION gives each matrix its own format, in this list or in "
                  "hf_quant_config.json beside the config");
    return;
  }
  for (const auto& [module, value] : layers->json().items()) {
    const auto entry = layers->child(module);
    const auto name = entry ? entry->text({"quant_algo"}) : std::nullopt;
    if (!name) continue;
    const Algorithm format = by_algorithm(*name);
    if (!format.known) {
      entry->mistake("quant_algo", fmt::format("\"{}\" is not supported; {} are", short_text(*name),
                                               kAlgorithms));
      return;
    }
    QuantisedFormat weights;
    if (format.weights) weights = grouped(*format.weights, *entry);
    add(rules, *layers, module, module, weights);
  }
  apply(rules, block, "quantized_layers", model);
}

void algorithm(const HfConfig& block, const std::string& name, QuantisationRules rules,
               ModelSpec& model) {
  if (name == "MIXED_PRECISION" || name == "mixed_precision") {
    mixed(block, std::move(rules), model);
    return;
  }
  const Algorithm format = by_algorithm(name);
  if (!format.known) {
    block.mistake("quant_algo",
                  fmt::format("\"{}\" is not supported; {} are", short_text(name), kAlgorithms));
    return;
  }
  if (format.weights) rules.otherwise(grouped(*format.weights, block));
  apply(rules, block, "quant_algo", model);
}

void fp8(const HfConfig& block, QuantisationRules rules, ModelSpec& model) {
  if (block.integer({"bits", "num_bits"}, 1, 64).value_or(8) != 8)
    block.mistake("bits", "fp8 has 8 of them");
  const bool blocks = block.has("weight_block_size");
  if (blocks) {
    const auto size = block.integers("weight_block_size", kMostWidth);
    if (size.size() != 2 || size[0] != 128 || size[1] != 128) {
      block.mistake("weight_block_size", "only blocks of [128, 128] are supported");
    }
  }
  rules.otherwise(MatrixFormat{blocks ? Precision::FP8Block : Precision::FP8});
  apply(rules, block, "quant_method", model);
}

// What GPTQ, AWQ and AutoRound say of weights; an exception, what is otherwise than usual.
struct Packing {
  std::optional<std::int64_t> bits = {};
  std::int64_t group = 0;
  bool zeros = false;
  std::string type = "int";  // AutoRound's data_type
};

Packing packing_of(const HfConfig& block, const Packing& usual) {
  Packing own = usual;
  // 0 is no way to say nothing here.
  if (const auto bits = block.integer({"bits", "w_bit"}, 0, 64)) own.bits = bits;
  if (const auto group = group_of(block)) own.group = *group;
  // A symmetric GPTQ checkpoint has zeros, too, all of them equal: no kernel reads them.
  if (const auto symmetric = block.flag({"sym"})) own.zeros = !*symmetric;
  if (const auto zeros = block.flag({"zero_point"})) own.zeros = *zeros;
  if (const auto type = block.text({"data_type"})) own.type = *type;
  return own;
}

// "int", "mx_fp" or "mx_fp4", "nv_fp4", "fp8": only with the bits that they have.
std::optional<Precision> precision_of(std::string_view type, std::int64_t bits) {
  if (type == "int" || type == "int_sym") return by_bits(bits, "int", 0);
  if (type.starts_with("mx_fp")) return by_bits(bits, "float", 32);
  if (type.starts_with("nv_fp") && bits == 4) return Precision::NVFP4;
  if (type.starts_with("fp") && bits == 8) return Precision::FP8;
  return {};
}

// 16 bits and more: not quantised.
QuantisedFormat format_of(const HfConfig& block, const Packing& own) {
  if (!own.bits || *own.bits >= 16) return {};
  const auto precision = precision_of(own.type, *own.bits);
  if (precision) return grouped(*precision, own.group, own.zeros);
  if (own.type == "int") {
    block.mistake("bits", fmt::format("{} bits are not supported; 4 and 8 are", *own.bits));
  } else {
    block.mistake("data_type",
                  fmt::format("{} bits of \"{}\" are not supported; int and mx_fp of 4 "
                              "and 8, nv_fp of 4 and fp of 8 are",
                              *own.bits, short_text(own.type)));
  }
  return {};
}

void exception(const HfConfig& list, const std::string& name, const std::string& pattern,
               const Packing& usual, QuantisationRules& rules) {
  const auto entry = name.starts_with("-:") ? std::nullopt : list.child(name);
  QuantisedFormat format;
  if (entry) format = format_of(*entry, packing_of(*entry, usual));
  add(rules, list, name, pattern, format);
}

// GPTQ's {"+:regex": {"bits": 8}, "-:regex": {}}: from the start of a name, in their order.
void dynamic(const HfConfig& block, const Packing& usual, QuantisationRules& rules) {
  const auto list = block.child("dynamic");
  if (!list) return;
  for (const auto& [name, value] : list->json().items()) {
    const bool marked = name.starts_with("-:") || name.starts_with("+:");
    exception(*list, name, "re:" + name.substr(marked ? 2 : 0), usual, rules);
  }
}

// AutoRound's {"name": {"bits": 16}, "reg(ex)?": {"bits": 8}}: names before expressions, which are
// found anywhere in a name.
void extra_config(const HfConfig& block, const Packing& usual, QuantisationRules& rules) {
  const auto list = block.child("extra_config");
  if (!list) return;
  for (const bool expressions : {false, true}) {
    for (const auto& [name, value] : list->json().items()) {
      if ((name.find_first_of("*+?^$()[]{}|\\") != std::string::npos) != expressions) continue;
      const std::string pattern = expressions ? fmt::format("re:.*(?:{})", name) : name;
      exception(*list, name, pattern, usual, rules);
    }
  }
}

void integers(const HfConfig& block, const Packing& by_default, QuantisationRules rules,
              ModelSpec& model) {
  if (!block.given("bits") && !block.given("w_bit")) {
    block.mistake("bits", "missing");
    return;
  }
  const Packing usual = packing_of(block, by_default);
  dynamic(block, usual, rules);
  extra_config(block, usual, rules);
  const QuantisedFormat format = format_of(block, usual);
  const std::vector<std::string> chosen = nested_texts(block, "modules_in_block_to_quantize");
  for (const std::string& name : chosen)
    add(rules, block, "modules_in_block_to_quantize", name, format);
  if (chosen.empty()) rules.otherwise(format);
  apply(rules, block, "quant_method", model);
}

void mxfp4(const HfConfig& block, QuantisationRules rules, ModelSpec& model) {
  rules.otherwise(MatrixFormat{Precision::MXFP4});
  // Of a mixture only experts, and those of them that no list leaves alone.
  constexpr std::array kExperts{WeightPart::Experts};
  if (model.is_moe()) {
    apply(rules, block, "quant_method", model, kExperts);
  } else {
    apply(rules, block, "quant_method", model);
  }
}

}  // namespace

std::string quantisation_method(const HfConfig& block) {
  if (const auto method = block.text({"quant_method"})) return *method;
  const auto producer = block.child("producer");
  if (block.has("quant_algo") ||
      (producer && producer->text({"name"}).value_or("") == "modelopt")) {
    return "modelopt";
  }
  if (block.has("config_groups")) return "compressed-tensors";
  if (block.has("weight_block_size")) return "fp8";
  if (block.has("dynamic") || block.has("damp_percent") || block.given("desc_act")) return "gptq";
  if (block.has("w_bit") || block.given("zero_point")) return "awq";
  return {};
}

void read_hf_quantisation(const HfConfig& block, const HfConfig& config, bool second,
                          ModelSpec& model) {
  QuantisationRules rules = rules_of(block);
  read_cache(block, model);
  const std::string method = quantisation_method(block);
  if (method.empty()) {
    block.mistake("quant_method", fmt::format("missing; {} are supported", kMethods));
    return;
  }
  if (method == "fp8" || method == "fbgemm_fp8") {
    fp8(block, std::move(rules), model);
  } else if (method == "mxfp4") {
    mxfp4(block, std::move(rules), model);
  } else if (method == "compressed-tensors") {
    compressed_tensors(block, std::move(rules), model);
  } else if (method.starts_with("modelopt")) {
    const auto name = block.text({"quant_algo"});
    const bool lists = block.has("quantized_layers");
    if (second && !lists) {
      // hf_quant_config.json says it all.
    } else if (name) {
      algorithm(block, *name, std::move(rules), model);
    } else if (block.has("config_groups")) {
      compressed_tensors(block, std::move(rules), model);
    } else {
      block.mistake("quant_algo", "missing");
    }
  } else if (method == "awq" || method == "gptq" || method == "auto-round" ||
             method == "intel/auto-round") {
    // AWQ's groups have a zero where nothing is said.
    integers(block, {.zeros = method == "awq"}, std::move(rules), model);
  } else {
    block.mistake("quant_method",
                  fmt::format("\"{}\" is not supported; {} are", short_text(method), kMethods));
  }
  note_what_is_not_counted(block, model);
  if (const auto experts = config.text({"expert_dtype"})) {
    if (*experts == "fp4") {
      model.stored.experts = Precision::MXFP4;
      model.stored.mean_bytes.experts = 0;
    } else if (*experts != "fp8") {
      config.mistake("expert_dtype",
                     fmt::format("\"{}\" is not supported; fp4 and fp8 are", short_text(*experts)));
    }
  }
}

void read_modelopt_file(const HfConfig& file, ModelSpec& model) {
  const auto block = file.child("quantization");
  if (!block) {
    file.mistake("quantization", "missing");
    return;
  }
  QuantisationRules rules = rules_of(*block);
  if (const auto name = block->text({"quant_algo"})) {
    algorithm(*block, *name, std::move(rules), model);
  } else if (block->has("quantized_layers")) {
    mixed(*block, std::move(rules), model);
  }
  named_cache(*block, "kv_cache_quant_algo", model);
}

}  // namespace moesim::workloads
