// Expressions over a study's keys: "parallelism.ep <= parallelism.tp * parallelism.dp".
//
//   or     and ("or" and)*
//   and    not ("and" not)*
//   not    "not" not | sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
//   sum    product (("+" | "-") product)*
//   product  unary (("*" | "/") unary)*
//   unary  "-" unary | number [unit] | key | 'text' | true | false | ( or )
//          | min(…) | max(…) | ceil(x) | floor(x) | log2(x)
//
// Whole numbers stay whole where they can: 6 / 2 is 3, 7 / 2 is 3.5. A quantity keeps its kind,
// whether it stands in the expression or is what a key says; it is compared with its like, and with
// numbers of keys whose name states their unit (operand.h): step_time_us.mean < 20 ms.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace moesim::tools {

enum class Dimension { Bytes, Time, Bandwidth, FlopRate };

// In its base unit: bytes, seconds, bytes a second, FLOP a second. "400 Gbit/s" is 50e9.
struct Quantity {
  double number = 0;
  Dimension dimension = Dimension::Bytes;
  bool operator==(const Quantity&) const = default;
};

using Value = std::variant<std::int64_t, double, bool, std::string, Quantity>;

// "8", "0.25", "true", "fp8", "400 Gbit/s" as what they say; text that is nothing else as text.
Value value_of(std::string_view text);
// Of a whole number, a fraction or a quantity; nothing of the others.
std::optional<double> number_of(const Value& value);
// As a scenario says it: "8", "0.25", "true", "fp8", "50000000000 B/s".
std::string to_text(const Value& value);

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
