#include "tools/study/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "sim/error.h"
#include "sim/units_text.h"
#include "tools/study/operand.h"

namespace moesim::tools {
namespace {

constexpr int kDeepest = 100;

[[noreturn]] void fail(std::string_view where, std::size_t at, const std::string& message) {
  throw sim::ConfigError(fmt::format("{}, column {}: {}", where, at + 1, message));
}

std::optional<Quantity> quantity(std::string_view text) {
  if (const auto bytes = sim::parse_bytes(text))
    return Quantity{static_cast<double>(bytes->count()), Dimension::Bytes};
  if (const auto time = sim::parse_duration(text))
    return Quantity{static_cast<double>(time->count()) / 1e12, Dimension::Time};
  if (const auto rate = sim::parse_bandwidth(text))
    return Quantity{rate->bytes_per_second(), Dimension::Bandwidth};
  if (const auto rate = sim::parse_flop_rate(text))
    return Quantity{rate->flop_per_second(), Dimension::FlopRate};
  return {};
}

const char* base_unit(Dimension dimension) {
  switch (dimension) {
    case Dimension::Bytes:
      return "B";
    case Dimension::Time:
      return "s";
    case Dimension::Bandwidth:
      return "B/s";
    case Dimension::FlopRate:
      break;
  }
  return "FLOP/s";
}

// A number that is all of the text.
template <class Number>
std::optional<Number> all_of(std::string_view text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc{} || stop != end) return {};
  return number;
}

}  // namespace

Value value_of(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  if (const auto whole = all_of<std::int64_t>(text)) return *whole;
  if (const auto number = all_of<double>(text); number && std::isfinite(*number)) return *number;
  if (const auto measured = quantity(text)) return *measured;
  return std::string(text);
}

std::optional<double> number_of(const Value& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* measured = std::get_if<Quantity>(&value)) return measured->number;
  return {};
}

std::string to_text(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* yes = std::get_if<bool>(&value)) return *yes ? "true" : "false";
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *whole);
  if (const auto* measured = std::get_if<Quantity>(&value))
    return to_text(tidy(measured->number)) + " " + base_unit(measured->dimension);
  return fmt::format("{}", std::get<double>(value));
}

struct Expression::Node {
  enum class Kind { Constant, Key, Call } kind = Kind::Constant;
  std::size_t at = 0;  // in the text
  Value constant = {};
  std::string name = {};  // of the key, the function or the operator; a constant as it was typed
  std::vector<std::unique_ptr<const Node>> parts = {};
};

namespace {

using Node = Expression::Node;
using NodePtr = std::unique_ptr<const Node>;

struct Function {
  std::string_view name;
  std::size_t least, most;  // arguments
};
constexpr std::array<Function, 5> kFunctions{
    {{"min", 1, 64}, {"max", 1, 64}, {"ceil", 1, 1}, {"floor", 1, 1}, {"log2", 1, 1}}};

bool starts_name(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool in_name(char c) {
  return starts_name(c) || std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.' ||
         c == '[' || c == ']';
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  NodePtr parse() {
    NodePtr root = either(0);
    skip();
    if (at_ < text_.size()) wrong("expected an operator");
    return root;
  }

 private:
  NodePtr either(int depth) {
    if (depth > kDeepest) fail(where_, at_, "nested too deeply");
    NodePtr left = both(depth);
    while (const auto at = word("or")) left = call(*at, "or", std::move(left), both(depth));
    return left;
  }
  NodePtr both(int depth) {
    NodePtr left = negated(depth);
    while (const auto at = word("and")) left = call(*at, "and", std::move(left), negated(depth));
    return left;
  }
  NodePtr negated(int depth) {
    if (depth > kDeepest) fail(where_, at_, "nested too deeply");
    if (const auto at = word("not")) return call(*at, "not", negated(depth + 1));
    NodePtr left = sum(depth);
    for (const std::string_view sign : {"<=", ">=", "==", "!=", "<", ">"}) {
      if (const auto at = symbol(sign)) return call(*at, sign, std::move(left), sum(depth));
    }
    return left;
  }
  NodePtr sum(int depth) {
    NodePtr left = product(depth);
    while (true) {
      const auto first = symbol("+");
      const auto at = first ? first : symbol("-");
      if (!at) return left;
      left = call(*at, first ? "+" : "-", std::move(left), product(depth));
    }
  }
  NodePtr product(int depth) {
    NodePtr left = unary(depth);
    while (true) {
      const auto first = symbol("*");
      const auto at = first ? first : symbol("/");
      if (!at) return left;
      left = call(*at, first ? "*" : "/", std::move(left), unary(depth));
    }
  }
  NodePtr unary(int depth) {
    if (depth > kDeepest) fail(where_, at_, "nested too deeply");
    if (const auto at = symbol("-")) return call(*at, "negate", unary(depth + 1));
    if (symbol("(")) {
      NodePtr inside = either(depth + 1);
      if (!symbol(")")) wrong("expected )");
      return inside;
    }
    skip();
    if (at_ == text_.size()) wrong("expected a number, a key or (");
    const char c = text_[at_];
    if (c == '\'' || c == '"') return quoted(c);
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.') return number();
    if (starts_name(c)) return name(depth);
    wrong("expected a number, a key or (");
  }

  NodePtr quoted(char mark) {
    const std::size_t begin = at_;
    const std::size_t end = text_.find(mark, begin + 1);
    if (end == std::string_view::npos) wrong("a text that does not end");
    at_ = end + 1;
    return constant(begin, std::string(text_.substr(begin + 1, end - begin - 1)));
  }

  // With the unit that follows, after a blank or none.
  NodePtr number() {
    const std::size_t begin = at_;
    double number = 0;
    const char* first = text_.data() + begin;
    const auto [stop, error] = std::from_chars(first, text_.data() + text_.size(), number);
    if (error != std::errc{} || !std::isfinite(number)) wrong("expected a number");
    at_ = begin + static_cast<std::size_t>(stop - first);
    const std::string_view digits = text_.substr(begin, at_ - begin);
    std::size_t unit = at_;
    while (unit < text_.size() && text_[unit] == ' ') ++unit;
    std::size_t end = unit;
    while (end < text_.size() && (starts_name(text_[end]) || text_[end] == '/')) ++end;
    const std::string_view word = text_.substr(unit, end - unit);
    if (!word.empty() && word != "and" && word != "or") {
      const auto measured = quantity(std::string(digits) + " " + std::string(word));
      if (measured) {
        at_ = end;
        return constant(begin, *measured);
      }
      if (starts_name(word.front())) {
        at_ = unit;
        wrong("expected an operator or a unit, such as GiB, us, Gbit/s");
      }
    }
    if (const auto whole = all_of<std::int64_t>(digits)) return constant(begin, *whole);
    return constant(begin, number);
  }

  NodePtr name(int depth) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && in_name(text_[at_])) ++at_;
    const std::string name(text_.substr(begin, at_ - begin));
    if (name == "true" || name == "false") return constant(begin, name == "true");
    if (!symbol("(")) {
      auto node = std::make_unique<Node>();
      node->kind = Node::Kind::Key;
      node->at = begin;
      node->name = name;
      return node;
    }
    const auto known = std::ranges::find(kFunctions, name, &Function::name);
    if (known == kFunctions.end()) {
      at_ = begin;
      wrong("there is no such function; there are min, max, ceil, floor, log2");
    }
    auto node = std::make_unique<Node>();
    node->kind = Node::Kind::Call;
    node->at = begin;
    node->name = name;
    do node->parts.push_back(either(depth + 1));
    while (symbol(","));
    if (!symbol(")")) wrong("expected , or )");
    if (node->parts.size() < known->least || node->parts.size() > known->most)
      fail(where_, begin, fmt::format("{} takes one value, not {}", name, node->parts.size()));
    return node;
  }

  NodePtr constant(std::size_t at, Value value) const {
    auto node = std::make_unique<Node>();
    node->at = at;
    node->constant = std::move(value);
    node->name = text_.substr(at, at_ - at);
    return node;
  }
  template <class... Parts>
  NodePtr call(std::size_t at, std::string_view name, Parts... parts) const {
    auto node = std::make_unique<Node>();
    node->kind = Node::Kind::Call;
    node->at = at;
    node->name = name;
    (node->parts.push_back(std::move(parts)), ...);
    return node;
  }

  void skip() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  // Where the sign or the word stands, if it is next; it is then read.
  std::optional<std::size_t> symbol(std::string_view sign) {
    skip();
    if (text_.substr(at_, sign.size()) != sign) return {};
    return std::exchange(at_, at_ + sign.size());
  }
  std::optional<std::size_t> word(std::string_view text) {
    skip();
    const std::size_t end = at_ + text.size();
    if (text_.substr(at_, text.size()) != text) return {};
    if (end < text_.size() && in_name(text_[end])) return {};
    return std::exchange(at_, end);
  }
  [[noreturn]] void wrong(const std::string& message) {
    skip();
    const std::string found =
        at_ < text_.size() ? fmt::format("\"{}\"", text_.substr(at_)) : "the end";
    fail(where_, at_, fmt::format("{}, not {}", message, found));
  }

  std::string_view text_, where_;
  std::size_t at_ = 0;
};

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
        fail(where_, node.at, fmt::format("there is no value \"{}\"", node.name));
      case Node::Kind::Call:
        return call(node);
    }
    return {};
  }

  bool truth(const Node& node) const {
    const Operand operand = of(node);
    if (const auto* yes = std::get_if<bool>(&operand.value)) return *yes;
    fail(where_, node.at, fmt::format("expected a condition, not {}", to_text(operand.value)));
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
    fail(where_, node.at, fmt::format("expected a number, not \"{}\"", to_text(operand.value)));
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
      if (number_of(parts[1].value) == 0) fail(where_, node.at, "a division by zero");
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
      fail(where_, node.at, error.what());
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
    if (x <= 0) fail(where_, node.at, "log2 of what is not above zero");
    return std::log2(x);
  }

  Operand checked(const Node& node, Operand result) const {
    if (!std::isfinite(*number_of(result.value))) fail(where_, node.at, "the result is too large");
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
    : text_(text), where_(where), root_(Parser(text_, where_).parse()) {}
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
