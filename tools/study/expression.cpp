#include "tools/study/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "sim/error.h"
#include "tools/study/expression_parser.h"
#include "tools/study/operand.h"

namespace moesim::tools {
namespace {

using Node = Expression::Node;
using NodePtr = std::unique_ptr<const Node>;

class Evaluation {
 public:
  Evaluation(const Lookup& lookup, std::string_view where) : lookup_(lookup), where_(where) {}

  Operand of(const Node& node) const {
    switch (node.kind) {
      case Node::Kind::Constant:
        return with_unit(node.constant, {}, node.name);
      case Node::Kind::Key:
        if (const auto value = lookup_(node.name))
          return with_unit(*value, unit_of_key(node.name), node.name);
        fail_at(where_, node.at, fmt::format("there is no value \"{}\"", node.name));
      case Node::Kind::Call:
        return call(node);
    }
    return {};
  }

  bool truth(const Node& node) const {
    const Operand operand = of(node);
    if (const auto* yes = std::get_if<bool>(&operand.value)) return *yes;
    fail_at(where_, node.at, fmt::format("expected a condition, not {}", to_text(operand.value)));
  }

 private:
  static Operand with_unit(const Value& value, std::optional<Unit> stated, std::string_view name) {
    if (const auto* measured = std::get_if<Quantity>(&value))
      stated = Unit{.dimension = measured->dimension};
    else if (!number_of(value))
      stated = {};
    return {value, stated, name};
  }

  Operand number(const Node& node) const {
    Operand operand = of(node);
    if (number_of(operand.value)) return operand;
    fail_at(where_, node.at, fmt::format("expected a number, not \"{}\"", to_text(operand.value)));
  }

  Operand call(const Node& node) const {
    const auto& p = node.parts;
    const std::string& name = node.name;
    if (name == "and") return {truth(*p[0]) && truth(*p[1])};
    if (name == "or") return {truth(*p[0]) || truth(*p[1])};
    if (name == "not") return {!truth(*p[0])};
    if (name == "==") return {equal(node)};
    if (name == "!=") return {!equal(node)};
    std::vector<Operand> parts;
    for (const NodePtr& part : p) parts.push_back(number(*part));
    if (name == "*") return checked(node, product(parts[0], parts[1]));
    if (name == "/") {
      if (number_of(parts[1].value) == 0) fail_at(where_, node.at, "a division by zero");
      return checked(node, quotient(parts[0], parts[1]));
    }
    std::optional<Unit> unit;
    const std::vector<double> x = in_one_unit(node, parts, unit);
    if (name == "<") return {x[0] < x[1]};
    if (name == "<=") return {x[0] <= x[1]};
    if (name == ">") return {x[0] > x[1]};
    if (name == ">=") return {x[0] >= x[1]};
    if (name == "log2") return checked(node, {tidy(log2_of(node, x[0]))});
    return checked(node, {tidy(arithmetic(name, x), unit), unit});
  }

  std::vector<double> in_one_unit(const Node& node, const std::vector<Operand>& parts,
                                  std::optional<Unit>& unit) const {
    try {
      return aligned(parts, unit);
    } catch (const sim::ConfigError& error) {
      fail_at(where_, node.at, error.what());
    }
  }

  static double arithmetic(const std::string& name, const std::vector<double>& x) {
    if (name == "+") return x[0] + x[1];
    if (name == "-") return x[0] - x[1];
    if (name == "negate") return -x[0];
    if (name == "min") return *std::ranges::min_element(x);
    if (name == "max") return *std::ranges::max_element(x);
    return name == "ceil" ? std::ceil(x[0]) : std::floor(x[0]);
  }

  double log2_of(const Node& node, double x) const {
    if (x <= 0) fail_at(where_, node.at, "log2 of what is not above zero");
    return std::log2(x);
  }

  Operand checked(const Node& node, Operand result) const {
    if (!std::isfinite(*number_of(result.value)))
      fail_at(where_, node.at, "the result is too large");
    return result;
  }

  bool equal(const Node& node) const {
    const Operand a = of(*node.parts[0]), b = of(*node.parts[1]);
    if (!number_of(a.value) || !number_of(b.value)) return a.value == b.value;
    std::optional<Unit> unit;
    const std::vector<double> x = in_one_unit(node, {a, b}, unit);
    return x[0] == x[1];
  }

  const Lookup& lookup_;
  std::string_view where_;
};

void gather(const Node& node, std::vector<std::string>& keys) {
  if (node.kind == Node::Kind::Key && std::ranges::find(keys, node.name) == keys.end())
    keys.push_back(node.name);
  for (const NodePtr& part : node.parts) gather(*part, keys);
}

}  // namespace

Expression::Expression(std::string_view text, std::string_view where)
    : text_(text), where_(where), root_(parse_expression(text_, where_)) {}
Expression::~Expression() = default;
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;

std::vector<std::string> Expression::keys() const {
  std::vector<std::string> keys;
  gather(*root_, keys);
  return keys;
}

Value Expression::evaluate(const Lookup& lookup) const {
  return Evaluation(lookup, where_).of(*root_).value;
}

bool Expression::holds(const Lookup& lookup) const {
  return Evaluation(lookup, where_).truth(*root_);
}

}  // namespace moesim::tools
