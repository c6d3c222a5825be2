// Which matrices of a model a quantisation's lists name: rules in order, asked for every kind of
// matrix of a layer, under every name that checkpoints give it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "workloads/model/hugging_face/layer_matrices.h"
#include "workloads/model/hugging_face/module_pattern.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// A format, or empty: left in the checkpoint's plain one.
using QuantisedFormat = std::optional<hardware::Precision>;

class QuantisationRules {
 public:
  // Rules are asked in the order in which they were added; the first that names a matrix decides.
  // False: the pattern is not understood.
  bool add(std::string_view pattern, QuantisedFormat format);
  // What holds for matrices that no rule names.
  void otherwise(QuantisedFormat format);

  // Gives these parts of model.stored the format that most of their numbers have. Where a part's
  // matrices differ, stored.mean_bytes has what they take, and model.notes says which share is in
  // another format. False: formats were given, and no matrix of the model has one. REQUIRES:
  // model.stored's other parts, int4_scale_bytes among them
  bool apply(ModelSpec& model, std::span<const WeightPart> parts = kWeightParts) const;

 private:
  struct Answer {
    std::size_t order;
    QuantisedFormat format;
  };
  using Shares = std::map<QuantisedFormat, double>;  // numbers in each format
  QuantisedFormat format_of(const std::vector<std::string>& names) const;
  std::vector<std::string> names_of(const LayerMatrix& matrix, std::int64_t layer,
                                    std::int64_t expert) const;
  bool speaks_of(std::string_view name, std::string_view usual) const;
  Shares shares_of(const ModelSpec& model, WeightPart part) const;

  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  // Patterns without a star, by their text.
  std::unordered_map<std::string, Answer, Hash, std::equal_to<>> whole_;
  std::vector<std::pair<ModulePattern, Answer>> patterns_;
  std::unordered_set<std::string, Hash, std::equal_to<>> words_;  // of all patterns
  bool by_expert_ = false;                                        // a pattern tells experts apart
  bool gives_ = false;                                            // a rule has a format
  std::size_t count_ = 0;
  QuantisedFormat otherwise_;
};

}  // namespace moesim::workloads
