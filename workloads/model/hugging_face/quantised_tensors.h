// Which matrices of a model a quantisation's lists name: rules in order, asked for every kind of
// matrix of a layer, under every name that checkpoints give it.
#pragma once

#include <compare>
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

// What a matrix is stored in. A group of so many numbers has a scale of its own, of 16 bits or, for
// fp8, 8, and where it is asymmetric a zero as wide as a number; 0: the precision's own scales
// alone.
struct MatrixFormat {
  hardware::Precision precision;
  std::int64_t group = 0;
  bool zeros = false;

  double bytes() const;  // of a number, its share of scale and zero included
  friend auto operator<=>(const MatrixFormat&, const MatrixFormat&) = default;
};

// Whether its groups are the checkpoint's choice; other precisions have scales of their own.
bool is_integer(hardware::Precision p);

// A format, or empty: left in the checkpoint's plain one.
using QuantisedFormat = std::optional<MatrixFormat>;

class QuantisationRules {
 public:
  // Rules are asked in the order in which they were added; the first that names a matrix decides.
  // False: the pattern is not understood.
  bool add(std::string_view pattern, QuantisedFormat format);
  // What holds for matrices that no rule names.
  void otherwise(QuantisedFormat format);

  // Gives these parts of model.stored the precision that most of their numbers have, and
  // int4_scale_bytes the groups that most integers have. Where that is not what a part's
  // matrices take, stored.mean_bytes has it, and model.notes says which share is in another
  // precision. False: formats were given, and no matrix of the model has one.
  bool apply(ModelSpec& model, std::span<const WeightPart> parts = kWeightParts) const;

 private:
  struct Answer {
    std::size_t order;
    QuantisedFormat format;
  };
  using Shares = std::map<QuantisedFormat, double>;  // numbers in each format
  QuantisedFormat format_of(const std::vector<std::string>& names) const;
  std::vector<std::string> names_before(std::int64_t layer) const;
  std::vector<std::string> names_of(const LayerMatrix& matrix,
                                    const std::vector<std::string>& before,
                                    std::int64_t expert) const;
  bool speaks_of(std::string_view name, std::string_view usual) const;
  void ask(const LayerMatrix& matrix, const Ffn& ffn, const std::vector<std::string>& before,
           std::int64_t most_experts, Shares& shares) const;
  Shares shares_of(const ModelSpec& model, WeightPart part) const;
  void give(ModelSpec& model, WeightPart part, const Shares& shares) const;
  void note_prediction(ModelSpec& model, WeightPart part) const;

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
