#include "tools/study/expression_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "sim/error.h"

namespace moesim::tools {

void fail_at(std::string_view where, std::size_t at, const std::string& message) {
  throw sim::ConfigError(fmt::format("{}, column {}: {}", where, at + 1, message));
}

namespace {

using Node = Expression::Node;
using NodePtr = std::unique_ptr<const Node>;

constexpr int kDeepest = 100;

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
    if (depth > kDeepest) fail_at(where_, at_, "nested too deeply");
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
    if (depth > kDeepest) fail_at(where_, at_, "nested too deeply");
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
    if (depth > kDeepest) fail_at(where_, at_, "nested too deeply");
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
      const auto measured = quantity_of(std::string(digits) + " " + std::string(word));
      if (measured) {
        at_ = end;
        return constant(begin, *measured);
      }
      if (starts_name(word.front())) {
        at_ = unit;
        wrong("expected an operator or a unit, such as GiB, us, Gbit/s");
      }
    }
    const Value plain = value_of(digits);  // whole where it is
    return constant(begin, std::holds_alternative<std::int64_t>(plain) ? plain : Value(number));
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
      fail_at(where_, begin, fmt::format("{} takes one value, not {}", name, node->parts.size()));
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
    fail_at(where_, at_, fmt::format("{}, not {}", message, found));
  }

  std::string_view text_, where_;
  std::size_t at_ = 0;
};

}  // namespace

NodePtr parse_expression(std::string_view text, std::string_view where) {
  return Parser(text, where).parse();
}

}  // namespace moesim::tools
