// Which matrices of a model a quantisation's lists name: rules in order, asked for every kind of
// matrix of a layer, under every name that checkpoints give it.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  void otherwise(QuantisedFormat format) { otherwise_ = format; }

  // Gives the four parts of model.stored (attention, experts, shared experts, dense FFN) the format
  // that most of their numbers have. Where a part's matrices differ, model.notes says which share
  // was in another.
  void apply(ModelSpec& model) const;

 private:
  struct Answer {
    std::size_t order;
    QuantisedFormat format;
  };
  const Answer* of(const std::vector<std::string>& names, Answer& room) const;

  std::map<std::string, Answer, std::less<>> whole_;  // patterns without a star, by their text
  std::vector<std::pair<ModulePattern, Answer>> patterns_;
  std::array<bool, 6> prefixes_ = {};  // that a pattern has the word of
  std::size_t count_ = 0;
  QuantisedFormat otherwise_;
};

}  // namespace moesim::workloads
