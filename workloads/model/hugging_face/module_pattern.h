// The patterns by which quantisation blocks name modules of a model: whole names, names of what
// holds them, globs, and regular expressions.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::workloads {

// A regular expression as Python's re.match takes it: from the start of the text, its end left
// open. Known are literals, . \d \w \s, [classes], (groups), (?:...), look-ahead (?=...) and
// (?!...), |,
// * + ? {m,n} with lazy forms, ^ and $. Matching takes at most text x pattern x text steps: it
// follows all positions at once and never goes back.
class ModuleExpression {
 public:
  // Empty where the expression is not one, or uses what is not known.
  static std::optional<ModuleExpression> compile(std::string_view expression);

  bool matches(std::string_view text) const;

  struct Node;

 private:
  std::shared_ptr<const Node> root_;
};

class ModulePattern {
 public:
  // `text`: "self_attn" or "model.layers.3.self_attn" (what holds the module), a glob with stars
  // ("model.layers.*.self_attn*"), or "re:" and a regular expression. Empty: not understood.
  static std::optional<ModulePattern> compile(std::string_view text);

  bool names(std::string_view module) const;

 private:
  std::string text_;
  std::optional<ModuleExpression> expression_;
};

// One pattern, one module. A pattern that is not understood names nothing.
bool names_module(std::string_view pattern, std::string_view module);

}  // namespace moesim::workloads
