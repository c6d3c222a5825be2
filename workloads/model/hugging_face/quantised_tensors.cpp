#include "workloads/model/hugging_face/quantised_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace moesim::workloads {

namespace {

using hardware::Precision;

// What stands before a layer's number in published checkpoints; all but the first are tried where a
// pattern has the word.
struct Prefix {
  std::string_view text, word;
};
constexpr std::array<Prefix, 6> kPrefixes{{{"model.layers.", ""},
                                           {"model.language_model.layers.", "language_model"},
                                           {"language_model.model.layers.", "language_model"},
                                           {"thinker.model.layers.", "thinker"},
                                           {"backbone.layers.", "backbone"},
                                           {"layers.", "layers"}}};

// A matrix of a layer under its names, and its share of its part's numbers (a third of an expert).
struct Matrix {
  double share;
  std::vector<std::string_view> names;
};

const std::vector<Matrix>& attention() {
  static const std::vector<Matrix> list{
      {1,
       {"self_attn.q_proj", "self_attn.q_b_proj", "self_attn.qkv_proj", "attn.wq_b", "mixer.q_proj",
        "linear_attn.in_proj_qkvz", "attention.q_proj"}},
      {0.25,
       {"self_attn.k_proj", "self_attn.kv_b_proj", "self_attn.qkv_proj", "attn.wkv", "mixer.k_proj",
        "linear_attn.in_proj_qkvz", "attention.k_proj"}},
      {0.25,
       {"self_attn.v_proj", "self_attn.kv_a_proj_with_mqa", "self_attn.qkv_proj", "attn.wkv",
        "mixer.v_proj", "linear_attn.in_proj_qkvz", "attention.v_proj"}},
      {1,
       {"self_attn.o_proj", "attn.wo_b", "mixer.o_proj", "linear_attn.out_proj",
        "attention.o_proj"}}};
  return list;
}

const std::vector<Matrix>& experts() {
  static const std::vector<Matrix> list{
      {1,
       {"mlp.experts.0.gate_proj", "block_sparse_moe.experts.0.w1", "mlp.experts.0.w1",
        "feed_forward.experts.gate_up_proj", "mlp.experts.gate_up_proj", "experts.0.w1",
        "mixer.experts.0.up_proj", "moe.experts.0.gate_proj"}},
      {1,
       {"mlp.experts.0.up_proj", "block_sparse_moe.experts.0.w3", "mlp.experts.0.w3",
        "feed_forward.experts.gate_up_proj", "mlp.experts.gate_up_proj", "experts.0.w3",
        "mixer.experts.0.up_proj", "moe.experts.0.up_proj"}},
      {1,
       {"mlp.experts.0.down_proj", "block_sparse_moe.experts.0.w2", "mlp.experts.0.w2",
        "feed_forward.experts.down_proj", "mlp.experts.down_proj", "experts.0.w2",
        "mixer.experts.0.down_proj", "moe.experts.0.down_proj"}}};
  return list;
}

const std::vector<Matrix>& shared_experts() {
  static const std::vector<Matrix> list{
      {1,
       {"mlp.shared_experts.gate_proj", "mlp.shared_expert.gate_proj",
        "mixer.shared_experts.up_proj", "share_expert.gate_proj",
        "feed_forward.shared_expert.gate_proj", "block_sparse_moe.shared_experts.gate_proj"}},
      {1,
       {"mlp.shared_experts.up_proj", "mlp.shared_expert.up_proj", "mixer.shared_experts.up_proj",
        "share_expert.up_proj", "feed_forward.shared_expert.up_proj",
        "block_sparse_moe.shared_experts.up_proj"}},
      {1,
       {"mlp.shared_experts.down_proj", "mlp.shared_expert.down_proj",
        "mixer.shared_experts.down_proj", "share_expert.down_proj",
        "feed_forward.shared_expert.down_proj", "block_sparse_moe.shared_experts.down_proj"}}};
  return list;
}

const std::vector<Matrix>& dense() {
  static const std::vector<Matrix> list{
      {1, {"mlp.gate_proj", "feed_forward.gate_proj", "mixer.up_proj"}},
      {1, {"mlp.up_proj", "feed_forward.up_proj", "mixer.up_proj"}},
      {1, {"mlp.down_proj", "feed_forward.down_proj", "mixer.down_proj"}}};
  return list;
}

bool has_attention(const LayerKind& kind) {
  return !std::holds_alternative<NoMixer>(kind.mixer);
}
bool has_experts(const LayerKind& kind) {
  return std::holds_alternative<MoeFfn>(kind.ffn);
}
bool has_shared(const LayerKind& kind) {
  const auto* moe = std::get_if<MoeFfn>(&kind.ffn);
  return moe != nullptr && moe->shared_experts > 0;
}
bool has_dense(const LayerKind& kind) {
  const auto* moe = std::get_if<MoeFfn>(&kind.ffn);
  return std::holds_alternative<DenseFfn>(kind.ffn) || (moe != nullptr && moe->residual_inter > 0);
}

// Up to `most` layers that have the part, evenly spread; of all layers where none has it.
std::vector<std::int64_t> sample(const ModelSpec& model, bool (*has)(const LayerKind&),
                                 std::size_t most) {
  std::vector<std::int64_t> with;
  for (std::int64_t l = 0; l < model.layer_count(); ++l) {
    if (has(model.layer(l))) with.push_back(l);
  }
  if (with.empty()) with.push_back(0);
  std::vector<std::int64_t> chosen;
  const std::size_t count = std::min(most, with.size());
  for (std::size_t i = 0; i < count; ++i) chosen.push_back(with[i * with.size() / count]);
  return chosen;
}

}  // namespace

bool QuantisationRules::add(std::string_view pattern, QuantisedFormat format) {
  const Answer answer{count_++, format};
  for (std::size_t p = 0; p < kPrefixes.size(); ++p) {
    const std::string_view word = kPrefixes[p].word;
    // Of the last one patterns begin with it.
    const bool seen = word == "layers"
                          ? pattern.substr(0, 12).find("layers") < 5 &&
                                pattern.substr(0, 12).find("model") == std::string_view::npos
                          : pattern.find(word) != std::string_view::npos;
    prefixes_[p] = prefixes_[p] || seen;
  }
  const bool whole = !pattern.starts_with("re:") && pattern.find('*') == std::string_view::npos;
  if (whole) {
    whole_.emplace(std::string(pattern), answer);
    return true;
  }
  auto compiled = ModulePattern::compile(pattern);
  if (!compiled) return false;
  patterns_.emplace_back(std::move(*compiled), answer);
  return true;
}

// The answer of the first rule that names one of the names; null where none does.
const QuantisationRules::Answer* QuantisationRules::of(const std::vector<std::string>& names,
                                                       Answer& room) const {
  bool found = false;
  const auto consider = [&](const Answer& answer) {
    if (!found || answer.order < room.order) room = answer;
    found = true;
  };
  for (const std::string& name : names) {
    // A whole name stands for any run of the module's dotted pieces.
    for (std::size_t first = 0; !whole_.empty() && first != std::string::npos;) {
      for (std::size_t last = name.find('.', first);; last = name.find('.', last + 1)) {
        const std::size_t end = last == std::string::npos ? name.size() : last;
        const auto rule = whole_.find(std::string_view(name).substr(first, end - first));
        if (rule != whole_.end()) consider(rule->second);
        if (last == std::string::npos) break;
      }
      const std::size_t dot = name.find('.', first);
      first = dot == std::string::npos ? dot : dot + 1;
    }
    for (const auto& [pattern, answer] : patterns_) {
      if ((!found || answer.order < room.order) && pattern.names(name)) consider(answer);
    }
  }
  return found ? &room : nullptr;
}

void QuantisationRules::apply(ModelSpec& model) const {
  // Many patterns are asked for fewer layers: a hostile list ends, too.
  const std::size_t layers = std::clamp<std::size_t>(4000 / (patterns_.size() + 1), 2, 64);
  const auto decide = [&](std::string_view part, const std::vector<Matrix>& matrices,
                          bool (*has)(const LayerKind&), Precision& stored) {
    std::map<QuantisedFormat, double> shares;
    for (const std::int64_t layer : sample(model, has, layers)) {
      for (const Matrix& matrix : matrices) {
        std::vector<std::string> names;
        for (std::size_t p = 0; p < kPrefixes.size(); ++p) {
          if (p > 0 && !prefixes_[p]) continue;
          for (const std::string_view name : matrix.names) {
            names.push_back(fmt::format("{}{}.{}", kPrefixes[p].text, layer, name));
          }
        }
        Answer room{};
        const Answer* answer = of(names, room);
        shares[answer != nullptr ? answer->format : otherwise_] += matrix.share;
      }
    }
    double all = 0;
    auto most = shares.begin();
    for (auto at = shares.begin(); at != shares.end(); ++at) {
      all += at->second;
      if (at->second > most->second) most = at;
    }
    const auto name = [&](QuantisedFormat format) {
      return hardware::name_of(format.value_or(stored));
    };
    const bool there = std::any_of(model.kinds.begin(), model.kinds.end(), has);
    for (const auto& [format, share] : shares) {
      if (!there || format == most->first) continue;
      model.notes.push_back(fmt::format(
          "quantisation: {:.2g} % of the {} is in {} and counted as {}, as most of it is",
          100 * share / all, part, name(format), name(most->first)));
    }
    if (most->first) stored = *most->first;
  };
  decide("attention", attention(), has_attention, model.stored.attention);
  decide("experts", experts(), has_experts, model.stored.experts);
  decide("shared experts", shared_experts(), has_shared, model.stored.shared_experts);
  decide("dense FFN", dense(), has_dense, model.stored.dense_ffn);
}

}  // namespace moesim::workloads
