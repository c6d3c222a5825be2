// The text of an expression as a tree:
//
//   or     and ("or" and)*
//   and    not ("and" not)*
//   not    "not" not | sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
//   sum    product (("+" | "-") product)*
//   product  unary (("*" | "/") unary)*
//   unary  "-" unary | number [unit] | key | 'text' | true | false | ( or )
//          | min(…) | max(…) | ceil(x) | floor(x) | log2(x)
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/study/expression.h"
#include "tools/study/value.h"

namespace moesim::tools {

struct Expression::Node {
  enum class Kind { Constant, Key, Call } kind = Kind::Constant;
  std::size_t at = 0;  // in the text
  Value constant = {};
  std::string name = {};  // of the key, the function or the operator; a constant as it was typed
  std::vector<std::unique_ptr<const Node>> parts = {};
};

// Throws ConfigError that says the column, from 1: `where, column 7: expected …`.
std::unique_ptr<const Expression::Node> parse_expression(std::string_view text,
                                                         std::string_view where);

// `where, column 7: message`, of a place from 0.
[[noreturn]] void fail_at(std::string_view where, std::size_t at, const std::string& message);

}  // namespace moesim::tools
