#include "workloads/model/hugging_face/ffn.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace moesim::workloads {
namespace {

// Leaves those layers mixtures that are wanted.
template <class Wanted>
void keep(std::vector<bool>& is, const Wanted& wanted) {
  for (std::size_t l = 0; l < is.size(); ++l) {
    if (!wanted(static_cast<std::int64_t>(l))) is[l] = false;
  }
}

const HfConfig::Keys kGroups{"n_group", "num_expert_group"};

}  // namespace

bool is_dense_member(const HfConfig& config, const HfFamily* family) {
  if (family == nullptr || !family->dense_members) return false;
  bool says = false;
  for (const std::string_view key : kExpertCounts) {
    const auto& object = config.json();
    const auto found = object.find(std::string(key));
    if (found == object.end()) continue;
    config.has(key);
    if (found->is_array()) return false;
    const bool none =
        found->is_null() || *found == false ||
        (found->is_number() && found->get<double>() >= 0 && found->get<double>() <= 1);
    if (!none) return false;
    says = true;
  }
  return says;
}

// Whether the config speaks of experts at all; one of a mixture's type that has none is a mistake,
// unless its type knows dense members.
bool HfFfns::has_experts() const {
  if (config_.child("ffn_config")) return true;
  if (is_dense_member(config_, family_)) {
    for (const std::string_view key : kExpertsPerToken) config_.has(key);
    return false;
  }
  const bool mixture =
      family_ != nullptr && std::any_of(family_->keys.begin(), family_->keys.end(), [](auto key) {
        return key.find("experts") != std::string_view::npos;
      });
  if (mixture) return true;
  const bool listed = std::any_of(kExpertCounts.begin(), kExpertCounts.end(),
                                  [&](auto key) { return config_.is_list(key); });
  const auto experts =
      listed ? of_all_layers(kExpertCounts, 0) : config_.integer(kExpertCounts, 0, kMostWidth);
  if (experts && *experts > 1) return true;
  if (!experts || *experts == 0) refuse_unknown_experts();
  return false;
}

// A model whose experts are under names that nobody knows is no dense model.
void HfFfns::refuse_unknown_experts() const {
  std::string keys;
  for (const auto& [key, value] : config_.json().items()) {
    const bool speaks = key.find("expert") != std::string::npos || key.starts_with("moe") ||
                        key.find("_moe_") != std::string::npos;
    const bool says = (value.is_number() && value.get<double>() >= 1) ||
                      (value.is_structured() && !value.empty());
    const bool aside = key.find("loss") != std::string::npos ||
                       key.find("coef") != std::string::npos ||
                       key.find("factor") != std::string::npos;
    if (speaks && says && !aside && keys.size() < 200) {
      keys += (keys.empty() ? "" : ", ") + key.substr(0, 60);
    }
  }
  if (keys.empty()) return;
  config_.mistake("num_experts",
                  fmt::format("missing, and the keys that speak of experts are not understood: {}; "
                              "describe the model in a .yaml file",
                              keys));
}

// A count that some write once and others for each layer; layers that differ are a mistake.
std::optional<std::int64_t> HfFfns::of_all_layers(HfConfig::Keys keys, std::int64_t least) const {
  for (const std::string_view key : keys) {
    if (!config_.is_list(key)) continue;
    const auto list = config_.integers(key, kMostWidth);
    if (list.empty()) continue;
    if (std::any_of(list.begin(), list.end(), [&](auto n) { return n != list.front(); })) {
      config_.mistake(key, "layers that differ are not supported; describe the model in a .yaml");
    }
    return list.front();
  }
  return config_.integer(keys, least, kMostWidth);
}

std::int64_t HfFfns::required_of_all_layers(HfConfig::Keys keys) const {
  const auto found = of_all_layers(keys, 1);
  return found ? *found : config_.required(keys);
}

MoeFfn HfFfns::moe() {
  MoeFfn f;
  const auto nested = config_.child("ffn_config");
  if (nested) {
    f.experts = nested->required({"moe_num_experts"});
    f.top_k = nested->required({"moe_top_k"});
    f.inter = nested->required({"ffn_hidden_size"});
  } else {
    f.experts = required_of_all_layers(kExpertCounts);
    f.top_k = required_of_all_layers(kExpertsPerToken);
    const auto inter = of_all_layers(kExpertWidths, 1);
    f.inter = inter ? *inter : config_.required({"intermediate_size"});
    config_.has("intermediate_size");  // of dense layers, of which there may be none
  }
  if (!config_.failed() && f.top_k > f.experts) {
    (nested ? *nested : config_)
        .mistake(nested ? "moe_top_k" : config_.spelled(kExpertsPerToken),
                 fmt::format("a token cannot use {} of {} experts", f.top_k, f.experts));
  }
  f.gated = family_ == nullptr || family_->gated;
  f.bias = type() == "gpt_oss";
  f.latent =
      config_.integer({"routed_expert_hidden_size", "moe_latent_size"}, 1, kMostWidth).value_or(0);
  if (f.latent == model_.hidden) f.latent = 0;
  shared(f);
  if (type() == "gemma4_text" || type() == "grok-2") {
    f.residual_inter = config_.required({"intermediate_size"});
  } else if (type() == "arctic") {
    f.residual_inter = model_.hidden;
    model_.notes.push_back(
        "Arctic: a dense FFN of hidden width beside the experts (known by model type)");
  }
  f.router = router(f);
  return f;
}

DenseFfn HfFfns::dense() {
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
  if (is_dense_member(config_, family_) && !config_.has("intermediate_size")) {
    // What beside experts would be the shared one is all of a dense member's FFN.
    f.inter = config_.required({"shared_intermediate_size", "shared_expert_intermediate_size"});
    return f;
  }
  if (type() == "granitemoehybrid" && is_dense_member(config_, family_)) {
    f.inter = config_.required({"shared_intermediate_size"});
    config_.has("intermediate_size");  // of experts, of which there are none
    return f;
  }
  f.inter = config_.required({"intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size"});
  return f;
}

std::vector<bool> HfFfns::mixtures() {
  std::vector<bool> is(static_cast<std::size_t>(layers_), has_experts());
  if (is_dense_member(config_, family_)) {
    model_.notes.push_back("no experts: a dense member of a mixture's type");
  }
  if (is.empty() || !is.front()) return is;
  for (const char* key : {"first_k_dense_replace", "num_dense_layers", "moe_layer_num_skipped"}) {
    if (const auto first = config_.integer({key}, 0, kMostLayers)) {
      keep(is, [&](std::int64_t l) { return l >= *first; });
    }
  }
  if (config_.has("moe_layer_freq")) frequency(is);
  if (const auto step = config_.integer({"decoder_sparse_step"}, 0, kMostLayers)) {
    keep(is, [&](std::int64_t l) { return *step > 0 && (l + 1) % *step == 0; });
  }
  if (const auto step = config_.integer({"moe_layer_frequency"}, 1, kMostLayers)) {
    keep(is, [&](std::int64_t l) { return (l + 1) % *step == 0; });
  }
  if (const auto step = config_.integer({"expert_layer_period"}, 1, kMostLayers)) {
    const auto first = config_.integer({"expert_layer_offset"}, 0, kMostLayers).value_or(0);
    keep(is, [&](std::int64_t l) { return l % *step == first; });
  }
  if (const auto first = config_.integer({"moe_layer_start_index"}, 0, kMostLayers)) {
    const auto last = config_.integer({"moe_layer_end_index"}, -1, kMostLayers).value_or(-1);
    const auto step = config_.integer({"moe_layer_interval"}, 1, kMostLayers).value_or(1);
    keep(is, [&](std::int64_t l) {
      return l >= *first && (last < 0 || l <= last) && (l + 1) % step == 0;
    });
  }
  listed(is);
  if (std::ranges::find(is, true) == is.end())
    model_.notes.push_back("no layer has experts, by its keys of layers: a dense model");
  return is;
}

// Layers that are named one by one.
void HfFfns::listed(std::vector<bool>& is) {
  for (const std::int64_t l : config_.integers("mlp_only_layers", kMostLayers)) {
    if (l < layers_) is[static_cast<std::size_t>(l)] = false;
  }
  if (config_.is_list("moe_layers")) {
    const auto numbers = config_.integers("moe_layers", kMostLayers);
    keep(is, [&](std::int64_t l) {
      return std::find(numbers.begin(), numbers.end(), l) != numbers.end();
    });
  } else if (const auto step = config_.integer({"interleave_moe_layer_step"}, 0, kMostLayers)) {
    keep(is, [&](std::int64_t l) { return *step > 0 && (l + 1) % *step == 0; });
  }
  if (const auto text = config_.text({"moe_layers_enum"})) enumerated(*text, is);
  const auto fits = [&](std::string_view key, std::size_t entries) {
    if (entries >= is.size()) return true;
    config_.mistake(key, fmt::format("{} entries, but there are {} layers", entries, layers_));
    return false;
  };
  if (config_.is_list("is_moe_layer")) {
    const sim::io::Json& flags = config_.json()["is_moe_layer"];
    if (!fits("is_moe_layer", flags.size())) return;
    keep(is, [&](std::int64_t l) { return flags[static_cast<std::size_t>(l)] == true; });
  }
  const auto types = config_.texts("mlp_layer_types");
  if (types.empty() || !fits("mlp_layer_types", types.size())) return;
  for (std::size_t l = 0; l < is.size(); ++l) {
    if (types[l] != "dense" && types[l] != "sparse") {
      config_.mistake("mlp_layer_types", "expected dense or sparse");
      return;
    }
    if (types[l] == "dense") is[l] = false;
  }
}

void HfFfns::frequency(std::vector<bool>& is) {
  if (!config_.is_list("moe_layer_freq")) {
    const std::int64_t step = config_.integer({"moe_layer_freq"}, 1, kMostLayers).value_or(1);
    keep(is, [&](std::int64_t l) { return l % step == 0; });
    return;
  }
  const auto list = config_.integers("moe_layer_freq", 1);
  if (static_cast<std::int64_t>(list.size()) < layers_) {
    if (list.empty() && config_.failed()) return;  // told already
    config_.mistake("moe_layer_freq",
                    fmt::format("{} entries, but there are {} layers", list.size(), layers_));
    return;
  }
  keep(is, [&](std::int64_t l) { return list[static_cast<std::size_t>(l)] == 1; });
}

// "3,4,5": the layers that are mixtures.
void HfFfns::enumerated(const std::string& text, std::vector<bool>& is) {
  std::vector<bool> wanted(is.size(), false);
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
  keep(is, [&](std::int64_t l) { return wanted[static_cast<std::size_t>(l)]; });
}

void HfFfns::shared(MoeFfn& f) {
  const auto count = of_all_layers(
      {"n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert"}, 0);
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
  f.shared_gate = f.shared_experts > 0 &&
                  (type() == "qwen2_moe" || type() == "qwen3_next" || type() == "qwen3_5_moe_text");
}

Router HfFfns::router(const MoeFfn& f) {
  Router r;
  r.kind = family_ != nullptr ? family_->router : RouterKind::SoftmaxTopK;
  r.bias = family_ != nullptr && family_->router_bias;
  if (const auto score = config_.text(
          {"scoring_func", "moe_router_activation_func", "score_function", "score_func"})) {
    if (*score == "softmax") {
      r.kind = r.kind == RouterKind::TopKSoftmax ? r.kind : RouterKind::SoftmaxTopK;
    } else if (*score == "sigmoid" || *score == "sqrtsoftplus" || *score == "noaux_tc") {
      // Any score that is taken for each expert alone; dots.llm1 names its method of balancing.
      r.kind = RouterKind::Sigmoid;
    } else {
      config_.mistake("scoring_func",
                      fmt::format("\"{}\" is not supported; softmax, sigmoid and sqrtsoftplus are",
                                  score->substr(0, 40)));
    }
  } else if (family_ == nullptr) {
    model_.notes.push_back("the router's score is not in the file: softmax assumed");
  }
  if (const auto method = config_.text({"topk_method"})) r.bias = *method == "noaux_tc";
  for (const char* key : {"use_routing_bias", "moe_router_enable_expert_bias", "use_expert_bias"}) {
    if (const auto bias = config_.flag({key})) r.bias = *bias;
  }
  r.linear_bias = type() == "gpt_oss";
  r.normalise =
      config_.flag({"norm_topk_prob", "moe_renormalize", "norm_expert_weight", "route_norm"})
          .value_or(true);
  r.scaling = config_
                  .number({"routed_scaling_factor", "moe_router_scaling_factor",
                           "router_scaling_factor", "route_scale"},
                          0, 1e6)
                  .value_or(1);
  r.groups = config_.integer(kGroups, 1, kMostWidth).value_or(1);
  r.top_groups = config_.integer({"topk_group"}, 1, kMostWidth).value_or(r.groups);
  if (config_.failed()) return r;
  const std::int64_t of_group = f.experts / r.groups;
  if (f.experts % r.groups != 0) {
    config_.mistake(config_.spelled(kGroups),
                    fmt::format("{} experts do not divide into {} groups", f.experts, r.groups));
  } else if (r.top_groups > r.groups) {
    config_.mistake("topk_group", fmt::format("a token cannot use {} of {} groups, as {} has it",
                                              r.top_groups, r.groups, config_.spelled(kGroups)));
  } else if (r.groups > 1 && of_group * r.top_groups < f.top_k) {
    config_.mistake("topk_group",
                    fmt::format("{} groups of {} experts hold fewer than the {} that a token uses",
                                r.top_groups, of_group, f.top_k));
  }
  return r;
}

}  // namespace moesim::workloads
