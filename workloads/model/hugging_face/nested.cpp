#include "workloads/model/hugging_face/nested.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "workloads/model/hugging_face/families.h"

namespace moesim::workloads {

using sim::io::Json;

namespace {

constexpr std::array kNames{
    "text_config",    "llm_config", "language_config",       "language_model",
    "thinker_config", "text_model", "language_model_config", "llm",
    "decoder"};
constexpr std::size_t kDeepest = 4;

bool has_any(const Json& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = object.find(key);
    if (found != object.end() && !found->is_null()) return true;
  }
  return false;
}

// The keys of a text model; towers of sight and sound have no vocabulary.
bool is_text_model(const Json& object) {
  return object.is_object() && has_any(object, {"hidden_size", "d_model", "n_embd"}) &&
         has_any(object, {"vocab_size"}) &&
         has_any(object, {"num_attention_heads", "n_heads", "n_head", "num_heads"});
}

bool holds_text_model(const Json& object, std::size_t depth) {
  if (is_text_model(object)) return true;
  if (!object.is_object() || depth <= 1) return false;
  return std::any_of(object.begin(), object.end(),
                     [&](const Json& inner) { return holds_text_model(inner, depth - 1); });
}

// "Qwen3MoeForCausalLM" is of the type qwen3_moe: names without underscores are compared.
std::string type_of_architecture(const std::string& architecture) {
  std::string plain;
  for (const char c : architecture.substr(0, architecture.find("For"))) {
    plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  for (const std::string_view type : family_types()) {
    std::string squeezed;
    for (const char c : type) {
      if (c != '_' && c != '-')
        squeezed += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (squeezed == plain) return std::string(type);
  }
  return {};
}

}  // namespace

std::vector<HfConfig> text_model_levels(const HfConfig& root) {
  std::vector<HfConfig> levels{root};
  while (levels.size() < kDeepest) {
    std::optional<HfConfig> inner;
    for (const char* key : kNames) {
      const Json& outer = levels.back().json();
      const auto found = outer.find(key);
      if (!inner && found != outer.end() && found->is_object()) inner = levels.back().child(key);
    }
    if (inner) {
      levels.push_back(*inner);
      continue;
    }
    if (is_text_model(levels.back().json())) break;
    std::vector<std::string> candidates;
    for (const auto& [key, value] : levels.back().json().items()) {
      if (holds_text_model(value, kDeepest - levels.size())) candidates.push_back(key);
    }
    if (candidates.size() != 1) {
      std::string list;
      for (const std::string& key : candidates) {
        list += (list.empty() ? "" : ", ") + key.substr(0, 60);
      }
      if (!list.empty()) {
        levels.back().mistake(candidates.front(),
                              fmt::format("one of several objects with a text model's keys ({}); "
                                          "name the one that is meant text_config",
                                          list));
      }
      break;
    }
    levels.push_back(*levels.back().child(candidates.front()));
  }
  return levels;
}

std::string type_of(const std::vector<HfConfig>& levels) {
  for (auto level = levels.rbegin(); level != levels.rend(); ++level) {
    if (const auto type = level->text({"model_type"}); type && !type->empty()) return *type;
    for (const std::string& architecture : level->texts("architectures")) {
      if (std::string type = type_of_architecture(architecture); !type.empty()) return type;
    }
  }
  return {};
}

}  // namespace moesim::workloads
