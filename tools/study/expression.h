// Expressions over a study's keys: "parallelism.ep <= parallelism.tp * parallelism.dp". Their
// grammar is in expression_parser.h.
//
// Whole numbers stay whole where they can: 6 / 2 is 3, 7 / 2 is 3.5. A quantity keeps its kind,
// whether it stands in the expression or is what a key says; it is compared with its like, and with
// numbers of keys whose name states their unit (operand.h): step_time_us.mean < 20 ms.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/study/value.h"

namespace moesim::tools {

// What a key says; nothing where there is none.
using Lookup = std::function<std::optional<Value>(std::string_view key)>;

class Expression {
 public:
  // Throws ConfigError that says the column, from 1: `where, column 7: expected …`.
  explicit Expression(std::string_view text, std::string_view where = "expression");
  ~Expression();
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;

  const std::string& text() const { return text_; }
  // Every key that it names, in order, each once.
  std::vector<std::string> keys() const;

  // Throws ConfigError: a key that is not there, a text where a number is wanted, units that do not
  // go together, a division by zero.
  Value evaluate(const Lookup& lookup) const;
  // Of a condition. Throws ConfigError where it is none.
  bool holds(const Lookup& lookup) const;

  struct Node;

 private:
  std::string text_, where_;
  std::unique_ptr<const Node> root_;
};

}  // namespace moesim::tools
