#include "workloads/model/hugging_face/quantisation.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace moesim::workloads {

namespace {

using hardware::Precision;

// Glob matching with '*' only, linear in practice: backtracks to the last star alone.
bool glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// Modules that stand for a part of a layer; the part is left out of quantisation when most of its
// layers' modules are.
constexpr std::string_view kAttention[]{"self_attn.q_proj", "self_attn.q_b_proj",
                                        "self_attn.qkv_proj", "mixer.q_proj"};
constexpr std::string_view kExperts[]{"mlp.experts.0.down_proj", "block_sparse_moe.experts.0.w2",
                                      "mixer.experts.0.down_proj",
                                      "feed_forward.experts.down_proj"};
constexpr std::string_view kShared[]{"mlp.shared_experts.down_proj", "mlp.shared_expert.down_proj",
                                     "mixer.shared_experts.down_proj", "share_expert.down_proj",
                                     "feed_forward.shared_expert.down_proj"};
constexpr std::string_view kDense[]{"mlp.down_proj", "feed_forward.down_proj"};

class Kept {
 public:
  Kept(std::vector<std::string> patterns, std::int64_t layers)
      : patterns_(std::move(patterns)), layers_(layers) {}

  template <std::size_t N>
  bool part(const std::string_view (&modules)[N]) const {
    if (patterns_.empty()) return false;
    // A sample of the layers decides: the first ones are often special.
    std::int64_t kept = 0, asked = 0;
    for (std::int64_t l = 0; l < layers_; l += std::max<std::int64_t>(layers_ / 16, 1)) {
      ++asked;
      for (const std::string_view module : modules) {
        const std::string name = fmt::format("model.layers.{}.{}", l, module);
        if (any(name)) {
          ++kept;
          break;
        }
      }
    }
    return 2 * kept > asked;
  }

 private:
  bool any(std::string_view name) const {
    return std::any_of(patterns_.begin(), patterns_.end(),
                       [&](const std::string& p) { return names_module(p, name); });
  }

  std::vector<std::string> patterns_;
  std::int64_t layers_;
};

void apply(Precision precision, const Kept& kept, ModelSpec& model) {
  Formats& stored = model.stored;
  if (!kept.part(kExperts)) stored.experts = precision;
  if (!kept.part(kShared)) stored.shared_experts = precision;
  if (!kept.part(kAttention)) stored.attention = precision;
  if (!kept.part(kDense)) stored.dense_ffn = precision;
}

std::optional<Precision> by_bits(std::int64_t bits, std::string_view type, std::int64_t group) {
  if (type == "float" && bits == 8) return Precision::FP8;
  if (type == "int" && bits == 8) return Precision::INT8;
  if (type == "int" && bits == 4) return Precision::INT4;
  if (type == "float" && bits == 4) return group == 32 ? Precision::MXFP4 : Precision::NVFP4;
  return {};
}

std::optional<Precision> by_algorithm(std::string_view name) {
  if (name == "FP8" || name == "fp8") return Precision::FP8;
  if (name == "FP8_PB_WO" || name == "FP8_BLOCK_SCALES") return Precision::FP8Block;
  if (name == "NVFP4" || name == "nvfp4" || name == "NVFP4_AWQ") return Precision::NVFP4;
  if (name == "MXFP4" || name == "W4A8_MXFP4_FP8") return Precision::MXFP4;
  if (name == "W4A16_AWQ" || name == "INT4_AWQ" || name == "W4A8_AWQ") return Precision::INT4;
  if (name == "INT8_SQ" || name == "W8A8_SQ_PER_CHANNEL") return Precision::INT8;
  return {};
}

// The cache's format: {"num_bits": 8, "type": "float"} or "FP8".
void read_cache(const HfConfig& block, ModelSpec& model) {
  if (block.is_text("kv_cache_scheme")) {  // "static": scales of an 8-bit cache
    block.text({"kv_cache_scheme"});
    model.stored.kv_cache = Precision::FP8;
    return;
  }
  if (const auto scheme = block.child("kv_cache_scheme")) {
    const std::int64_t bits = scheme->integer({"num_bits"}, 1, 64).value_or(16);
    if (bits == 8) {
      model.stored.kv_cache =
          scheme->text({"type"}).value_or("float") == "int" ? Precision::INT8 : Precision::FP8;
    } else if (bits == 4) {
      model.stored.kv_cache = Precision::NVFP4;
    }
  }
}

void compressed_tensors(const HfConfig& block, const Kept& kept, ModelSpec& model) {
  const auto groups = block.child("config_groups");
  if (!groups) {
    block.mistake("config_groups", "missing");
    return;
  }
  bool one = false;
  for (const auto& [name, value] : groups->json().items()) {
    const auto group = groups->child(name);
    const auto weights = group ? group->child("weights") : std::nullopt;
    if (!weights) continue;
    const std::int64_t bits = weights->integer({"num_bits"}, 1, 64).value_or(0);
    const std::string type = weights->text({"type"}).value_or("int");
    const std::int64_t size = weights->integer({"group_size"}, -1, kMostWidth).value_or(0);
    auto precision = by_bits(bits, type, size);
    if (precision == Precision::FP8 && weights->text({"strategy"}).value_or("") == "block") {
      precision = Precision::FP8Block;
    }
    if (!precision) {
      weights->mistake(
          "num_bits",
          fmt::format("{} bits of type {} are not supported; float 8 and 4, int 8 and 4 are", bits,
                      type.substr(0, 20)));
      return;
    }
    if (one) {
      model.notes.push_back(
          "quantisation: config_groups has several groups; the first is taken for all matrices");
      break;
    }
    apply(*precision, kept, model);
    one = true;
    // A 16-bit scale a group (compressed-tensors, pack-quantized).
    if (*precision == Precision::INT4 && size > 0) {
      model.stored.int4_scale_bytes = 2.0 / static_cast<double>(size);
    }
  }
  if (!one) block.mistake("config_groups", "holds no group with weights");
}

void algorithm(const HfConfig& block, const std::string& name, const Kept& kept, ModelSpec& model) {
  if (name == "MIXED_PRECISION") {
    // {"model.layers.3.mlp.experts...": {"quant_algo": "NVFP4"}, ...}: what the first expert has
    // goes for all experts, what attention has for all of it.
    const auto layers = block.child("quantized_layers");
    if (!layers) {
      model.notes.push_back("quantisation: MIXED_PRECISION without a list of layers; taken as fp8");
      apply(Precision::FP8, kept, model);
      return;
    }
    const auto& list = layers->json();
    for (const auto& [module, value] : list.items()) {
      if (!value.is_object() || !value.contains("quant_algo") || !value["quant_algo"].is_string())
        continue;
      const auto precision = by_algorithm(value["quant_algo"].get<std::string>());
      if (!precision) continue;
      Formats& stored = model.stored;
      if (module.find("shared_expert") != std::string::npos) {
        stored.shared_experts = *precision;
      } else if (module.find("expert") != std::string::npos) {
        stored.experts = *precision;
      } else if (module.find("attn") != std::string::npos ||
                 module.find("mixer") != std::string::npos) {
        stored.attention = *precision;
      } else if (module.find("mlp") != std::string::npos) {
        stored.dense_ffn = *precision;
      }
    }
    return;
  }
  const auto precision = by_algorithm(name);
  if (!precision) {
    block.mistake(
        "quant_algo",
        fmt::format("\"{}\" is not supported; FP8, FP8_PB_WO, NVFP4, MXFP4, W4A16_AWQ, INT8_SQ "
                    "and MIXED_PRECISION are",
                    name.substr(0, 40)));
    return;
  }
  apply(*precision, kept, model);
}

}  // namespace

namespace {

// A regular expression as globs: .* and other repeated pieces are stars, (a|b) is two globs.
std::vector<std::string> globs_of(std::string_view expression) {
  std::vector<std::string> globs{""};
  const auto append = [&](std::string_view piece) {
    for (std::string& glob : globs) glob += piece;
  };
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    const char next = i + 1 < expression.size() ? expression[i + 1] : '\0';
    if (c == '^' || c == '$') continue;
    if (c == '\\' && (next == 'd' || next == 'w')) {
      append("*");
      ++i;
    } else if (c == '\\' && next != '\0') {
      append(std::string_view(&expression[++i], 1));
    } else if (c == '[') {
      const std::size_t end = expression.find(']', i);
      if (end == std::string_view::npos) return {};
      append("*");
      i = end;
    } else if (c == '.') {
      append("*");
    } else if (c == '*' || c == '+' || c == '?') {
      continue;  // what it repeats is a star by now, or a letter: near enough for module names
    } else if (c == '(') {
      const std::size_t end = expression.find(')', i);
      if (end == std::string_view::npos || globs.size() > 64) return {};
      std::vector<std::string> more;
      std::size_t start = i + 1;
      while (start <= end) {
        const std::size_t stop = std::min(expression.find('|', start), end);
        for (const std::string& glob : globs) {
          more.push_back(glob + std::string(expression.substr(start, stop - start)));
        }
        start = stop + 1;
      }
      globs = std::move(more);
      i = end;
    } else {
      append(std::string_view(&c, 1));
    }
  }
  return globs;
}

bool covers(const std::string& pattern, std::string_view module) {
  if (pattern.empty()) return false;
  // The name of what holds it: "model.layers.3.self_attn", or a piece: "self_attn".
  return glob(pattern, module) || glob(pattern + ".*", module) || glob("*." + pattern, module) ||
         glob("*." + pattern + ".*", module);
}

}  // namespace

bool names_module(std::string_view pattern, std::string_view module) {
  if (pattern.substr(0, 3) != "re:") return covers(std::string(pattern), module);
  for (const std::string& one : globs_of(pattern.substr(3))) {
    if (covers(one, module)) return true;
  }
  return false;
}

void read_hf_quantisation(const HfConfig& block, const HfConfig& config, ModelSpec& model) {
  std::vector<std::string> patterns;
  for (const char* key :
       {"modules_to_not_convert", "ignore", "ignored_layers", "exclude_modules"}) {
    if (!block.has(key)) continue;
    for (std::string& p : block.texts(key)) patterns.push_back(std::move(p));
  }
  const Kept kept(std::move(patterns), model.layer_count());
  read_cache(block, model);
  const auto method = block.text({"quant_method"});
  if (!method) {
    block.mistake("quant_method",
                  "missing; fp8, mxfp4, compressed-tensors, modelopt, awq and gptq are supported");
    return;
  }
  if (*method == "fp8" || *method == "fbgemm_fp8") {
    const bool blocks = block.has("weight_block_size");
    if (blocks) {
      const auto size = block.integers("weight_block_size", kMostWidth);
      if (size.size() != 2 || size[0] != 128 || size[1] != 128) {
        block.mistake("weight_block_size", "only blocks of [128, 128] are supported");
      }
    }
    apply(blocks ? Precision::FP8Block : Precision::FP8, kept, model);
  } else if (*method == "mxfp4") {
    model.stored.experts = Precision::MXFP4;
    if (!model.is_moe()) apply(Precision::MXFP4, kept, model);
  } else if (*method == "compressed-tensors") {
    compressed_tensors(block, kept, model);
  } else if (*method == "modelopt" || *method == "modelopt_fp4") {
    const auto name = block.text({"quant_algo"});
    if (name) {
      algorithm(block, *name, kept, model);
    } else if (block.has("config_groups")) {
      compressed_tensors(block, kept, model);
    } else {
      block.mistake("quant_algo", "missing");
    }
  } else if (*method == "awq" || *method == "gptq") {
    const auto bits = block.integer({"bits"}, 1, 64).value_or(4);
    if (bits != 4 && bits != 8) {
      block.mistake("bits", fmt::format("{} bits are not supported; 4 and 8 are", bits));
    }
    apply(bits == 8 ? Precision::INT8 : Precision::INT4, kept, model);
    const auto group = block.integer({"group_size", "q_group_size"}, -1, kMostWidth).value_or(-1);
    if (group > 0) model.stored.int4_scale_bytes = 2.0 / static_cast<double>(group);
  } else {
    block.mistake(
        "quant_method",
        fmt::format("\"{}\" is not supported; fp8, mxfp4, compressed-tensors, modelopt, awq and "
                    "gptq are",
                    method->substr(0, 40)));
  }
  if (const auto experts = config.text({"expert_dtype"})) {
    if (*experts == "fp4") {
      model.stored.experts = Precision::MXFP4;
    } else if (*experts != "fp8") {
      config.mistake("expert_dtype", fmt::format("\"{}\" is not supported; fp4 and fp8 are",
                                                 experts->substr(0, 40)));
    }
  }
}

void read_modelopt_file(const HfConfig& file, ModelSpec& model) {
  const auto block = file.child("quantization");
  if (!block) {
    file.mistake("quantization", "missing");
    return;
  }
  const Kept kept(block->texts("exclude_modules"), model.layer_count());
  if (const auto name = block->text({"quant_algo"})) algorithm(*block, *name, kept, model);
  if (const auto cache = block->text({"kv_cache_quant_algo"})) {
    if (const auto format = by_algorithm(*cache)) {
      model.stored.kv_cache = *format;
    } else {
      block->mistake(
          "kv_cache_quant_algo",
          fmt::format("\"{}\" is not supported; FP8 and NVFP4 are", cache->substr(0, 40)));
    }
  }
}

}  // namespace moesim::workloads
