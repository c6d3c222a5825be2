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
constexpr std::array<Prefix, 7> kPrefixes{{{"model.layers.", ""},
                                           {"model.language_model.layers.", "language_model"},
                                           {"language_model.model.layers.", "language_model"},
                                           {"thinker.model.layers.", "thinker"},
                                           {"backbone.layers.", "backbone"},
                                           {"transformer.blocks.", "blocks"},
                                           {"layers.", "layers"}}};

// Calls `each` with every run of letters, digits and underscores.
template <class Each>
void for_words(std::string_view text, const Each& each) {
  const auto in_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && in_word(text[end])) ++end;
    if (end > i) each(text.substr(i, end - i));
    i = std::max(end, i + 1);
  }
}

// "experts.17", or an expression that may name some: "experts\\.(1|2)", "experts.[0-5]".
bool tells_experts_apart(std::string_view pattern) {
  const std::size_t at = pattern.find("expert");
  return at != std::string_view::npos &&
         pattern.find_first_of("0123456789[(\\", at) != std::string_view::npos;
}

// Up to `most` of so many, evenly spread.
std::vector<std::int64_t> spread(std::int64_t count, std::int64_t most) {
  std::vector<std::int64_t> chosen;
  const std::int64_t taken = std::min(most, count);
  for (std::int64_t i = 0; i < taken; ++i) chosen.push_back(i * count / taken);
  return chosen;
}

std::string_view name_of(WeightPart part) {
  constexpr std::array<std::string_view, 4> kNames{"attention", "experts", "shared experts",
                                                   "dense FFN"};
  return kNames[static_cast<std::size_t>(part)];
}

struct StoredPart {
  Precision& format;
  double& mean_bytes;
};
StoredPart stored_of(Formats& stored, WeightPart part) {
  Formats::MeanBytes& mean = stored.mean_bytes;
  switch (part) {
    case WeightPart::Attention:
      return {stored.attention, mean.attention};
    case WeightPart::Experts:
      return {stored.experts, mean.experts};
    case WeightPart::SharedExperts:
      return {stored.shared_experts, mean.shared_experts};
    case WeightPart::DenseFfn:
      break;
  }
  return {stored.dense_ffn, mean.dense_ffn};
}

// The key of the largest number, of equal ones the first; a key's default where there is none.
template <class Key>
Key most_of(const std::map<Key, double>& numbers) {
  const auto most =
      std::ranges::max_element(numbers, {}, [](const auto& entry) { return entry.second; });
  return most == numbers.end() ? Key{} : most->first;
}

}  // namespace

bool is_integer(Precision p) {
  return p == Precision::INT8 || p == Precision::INT4;
}

double MatrixFormat::bytes() const {
  const double number = hardware::bytes_per_element(precision);
  if (group == 0) return number;
  const double scale = precision == Precision::FP8 ? 1 : 2;
  return number + (scale + (zeros ? number : 0)) / static_cast<double>(group);
}

void QuantisationRules::otherwise(QuantisedFormat format) {
  otherwise_ = format;
  gives_ = gives_ || format;
}

bool QuantisationRules::add(std::string_view pattern, QuantisedFormat format) {
  const Answer answer{count_++, format};
  gives_ = gives_ || format;
  const bool expression = pattern.starts_with("re:");
  for_words(pattern.substr(expression ? 3 : 0), [&](std::string_view word) {
    if (!words_.contains(word)) words_.emplace(word);
  });
  by_expert_ = by_expert_ || tells_experts_apart(pattern);
  if (expression || pattern.find('*') != std::string_view::npos) {
    auto compiled = ModulePattern::compile(pattern);
    if (!compiled) return false;
    patterns_.emplace_back(std::move(*compiled), answer);
    return true;
  }
  // "model.layers.0." is what begins so.
  while (pattern.starts_with('.')) pattern.remove_prefix(1);
  while (pattern.ends_with('.')) pattern.remove_suffix(1);
  whole_.emplace(std::string(pattern), answer);
  return true;
}

// The format of the first rule that names one of the names.
QuantisedFormat QuantisationRules::format_of(const std::vector<std::string>& names) const {
  std::size_t order = count_;
  QuantisedFormat format = otherwise_;
  const auto consider = [&](const Answer& answer) {
    if (answer.order >= order) return;
    order = answer.order;
    format = answer.format;
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
      if (answer.order < order && pattern.names(name)) consider(answer);
    }
  }
  return format;
}

// A pattern has a word of the name that the usual name has not: "qkv_proj", or "qkv".
bool QuantisationRules::speaks_of(std::string_view name, std::string_view usual) const {
  bool found = false;
  for_words(name, [&](std::string_view word) {
    if (usual.find(word) != std::string_view::npos) return;
    std::string_view stem = word;
    if (stem.ends_with("_proj")) stem.remove_suffix(5);
    found = found || words_.contains(word) || words_.contains(stem);
  });
  return found;
}

// "model.layers.3.": what stands before the names of a layer's matrices.
std::vector<std::string> QuantisationRules::names_before(std::int64_t layer) const {
  std::vector<std::string> before;
  for (const Prefix& prefix : kPrefixes) {
    if (prefix.word.empty() || words_.contains(prefix.word))
      before.push_back(fmt::format("{}{}.", prefix.text, layer));
  }
  return before;
}

std::vector<std::string> QuantisationRules::names_of(const LayerMatrix& matrix,
                                                     const std::vector<std::string>& before,
                                                     std::int64_t expert) const {
  std::vector<std::string> names;
  for (const std::string_view name : matrix.names) {
    if (name != matrix.names.front() && !speaks_of(name, matrix.names.front())) continue;
    std::string numbered(name);
    if (const std::size_t at = numbered.find('#'); at != std::string::npos)
      numbered.replace(at, 1, std::to_string(expert));
    for (const std::string& layer : before) names.push_back(layer + numbered);
  }
  return names;
}

// Adds what the matrix is in: of experts, where rules tell them apart, by up to so many.
void QuantisationRules::ask(const LayerMatrix& matrix, const Ffn& ffn,
                            const std::vector<std::string>& before, std::int64_t most_experts,
                            Shares& shares) const {
  const auto* moe = std::get_if<MoeFfn>(&ffn);
  const bool of_experts = moe != nullptr && matrix.part == WeightPart::Experts;
  const std::int64_t experts = of_experts ? moe->experts : 1;
  const std::vector<std::int64_t> asked =
      spread(experts, of_experts && by_expert_ ? most_experts : 1);
  const double each = static_cast<double>(matrix.numbers) * static_cast<double>(experts) /
                      static_cast<double>(asked.size());
  for (const std::int64_t expert : asked)
    shares[format_of(names_of(matrix, before, expert))] += each;
}

QuantisationRules::Shares QuantisationRules::shares_of(const ModelSpec& model,
                                                       WeightPart part) const {
  std::vector<std::vector<LayerMatrix>> of_kinds;
  std::int64_t experts = 1;
  for (const LayerKind& kind : model.kinds) {
    std::vector<LayerMatrix>& own = of_kinds.emplace_back(matrices_of(kind, model.hidden));
    std::erase_if(own, [&](const LayerMatrix& m) { return m.part != part; });
    const auto* moe = std::get_if<MoeFfn>(&kind.ffn);
    if (moe != nullptr && part == WeightPart::Experts && by_expert_)
      experts = std::max(experts, moe->experts);
  }
  std::vector<std::int64_t> with;
  for (std::int64_t l = 0; l < model.layer_count(); ++l) {
    if (!of_kinds[model.layers[static_cast<std::size_t>(l)]].empty()) with.push_back(l);
  }
  // Many patterns are asked for fewer layers, then for fewer experts: a hostile list ends, too.
  constexpr std::int64_t kAsked = 400'000, kOfOne = 6;
  const std::int64_t each = kOfOne * static_cast<std::int64_t>(patterns_.size()) + 1;
  const std::int64_t layers = std::clamp<std::int64_t>(kAsked / each / experts, 2, 128);
  const std::int64_t asked = std::clamp<std::int64_t>(kAsked / each / layers, 1, experts);
  Shares shares;
  for (const std::int64_t i : spread(static_cast<std::int64_t>(with.size()), layers)) {
    const std::int64_t layer = with[static_cast<std::size_t>(i)];
    const std::vector<std::string> before = names_before(layer);
    for (const LayerMatrix& matrix : of_kinds[model.layers[static_cast<std::size_t>(layer)]])
      ask(matrix, model.layer(layer).ffn, before, asked, shares);
  }
  return shares;
}

bool QuantisationRules::apply(ModelSpec& model, std::span<const WeightPart> parts) const {
  std::vector<Shares> of_parts;
  std::map<std::int64_t, double> grouped;  // integers in groups of each size
  bool any = false;
  for (const WeightPart part : parts) {
    for (const auto& [format, numbers] : of_parts.emplace_back(shares_of(model, part))) {
      any = any || format;
      if (format && is_integer(format->precision)) grouped[format->group] += numbers;
    }
  }
  const std::int64_t usual = most_of(grouped);
  model.stored.int4_scale_bytes = usual > 0 ? 2.0 / static_cast<double>(usual) : 0;
  for (std::size_t p = 0; p < parts.size(); ++p) give(model, parts[p], of_parts[p]);
  for (const WeightPart part : parts) note_prediction(model, part);
  return any || !gives_;
}

// The part's share in each format, as the formats of model.stored say it.
void QuantisationRules::give(ModelSpec& model, WeightPart part, const Shares& shares) const {
  const StoredPart stored = stored_of(model.stored, part);
  const Precision plain = stored.format;
  if (shares.empty()) {
    if (otherwise_) stored.format = otherwise_->precision;
    return;
  }
  std::map<Precision, double> in;  // numbers
  double all = 0, bytes = 0;
  for (const auto& [format, numbers] : shares) {
    const MatrixFormat own = format.value_or(MatrixFormat{plain});
    in[own.precision] += numbers;
    all += numbers;
    bytes += numbers * own.bytes();
  }
  stored.format = most_of(in);
  const bool so = bytes == all * model.stored.weight_bytes(stored.format);
  stored.mean_bytes = so ? 0 : bytes / all;
  for (const auto& [precision, numbers] : in) {
    if (precision == stored.format) continue;
    model.notes.push_back(fmt::format(
        "quantisation: {:.2g} % of the {} is in {}: its bytes are counted so, its time as of {}, "
        "as most of it is",
        100 * numbers / all, name_of(part), hardware::name_of(precision),
        hardware::name_of(stored.format)));
  }
}

// Prediction modules, numbered after the layers or named, are counted in the layers' formats: says
// where the rules leave most of a part in another.
void QuantisationRules::note_prediction(ModelSpec& model, WeightPart part) const {
  if (model.prediction_layers == 0) return;
  constexpr std::int64_t kAsked = 8;
  std::vector<std::string> before = names_before(model.layer_count());
  if (words_.contains("mtp")) before.insert(before.end(), {"mtp.layers.0.", "model.mtp.layers.0."});
  const LayerKind& kind = model.kinds[model.prediction_kind];
  std::map<Precision, double> in;
  Shares shares;
  for (const LayerMatrix& matrix : matrices_of(kind, model.hidden)) {
    if (matrix.part == part) ask(matrix, kind.ffn, before, kAsked, shares);
  }
  for (const auto& [format, numbers] : shares)
    in[format ? format->precision : model.stored.other] += numbers;
  const Precision counted = stored_of(model.stored, part).format;
  if (shares.empty() || most_of(in) == counted) return;
  model.notes.push_back(
      fmt::format("quantisation: the prediction modules have {} in {}, counted in the layers' {}",
                  name_of(part), hardware::name_of(most_of(in)), hardware::name_of(counted)));
}

}  // namespace moesim::workloads
