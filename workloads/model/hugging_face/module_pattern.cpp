#include "workloads/model/hugging_face/module_pattern.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace moesim::workloads {

struct ModuleExpression::Node {
  enum class Kind { Set, Sequence, Either, Repeat, Start, End, Ahead, NotAhead };
  Kind kind = Kind::Sequence;
  std::array<bool, 256> set = {};                    // Set: the characters that it takes
  std::vector<std::shared_ptr<const Node>> of = {};  // Sequence, Either; one for the others
  std::int64_t least = 0, most = 0;                  // Repeat
};

namespace {

using Node = ModuleExpression::Node;
using Kind = Node::Kind;

constexpr std::size_t kLongest = 4096;
constexpr int kDeepest = 32;
constexpr std::int64_t kMostRepeats = 256;

std::size_t at(char c) {
  return static_cast<unsigned char>(c);
}

void add_class(char letter, std::array<bool, 256>& set) {
  for (std::size_t c = 0; c < set.size(); ++c) {
    const bool digit = c >= '0' && c <= '9';
    const bool word = digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    set[c] = set[c] || (letter == 'd' && digit) || (letter == 'w' && word) ||
             (letter == 's' && space) || (letter == 'D' && !digit) || (letter == 'W' && !word) ||
             (letter == 'S' && !space);
  }
}

bool is_class(char c) {
  return std::string_view("dwsDWS").find(c) != std::string_view::npos;
}

// Recursive descent; any function that fails clears `good_`.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::shared_ptr<const Node> parse() {
    auto root = either(0);
    return good_ && at_ == text_.size() ? root : nullptr;
  }

 private:
  bool more() const { return at_ < text_.size(); }
  bool take(std::string_view piece) {
    if (!text_.substr(at_).starts_with(piece)) return false;
    at_ += piece.size();
    return true;
  }
  std::shared_ptr<Node> fail() {
    good_ = false;
    return std::make_shared<Node>();
  }

  std::shared_ptr<Node> either(int depth) {
    if (depth > kDeepest) return fail();
    auto node = std::make_shared<Node>(Node{.kind = Kind::Either});
    do {
      auto sequence = std::make_shared<Node>(Node{.kind = Kind::Sequence});
      while (good_ && more() && text_[at_] != '|' && text_[at_] != ')') {
        sequence->of.push_back(repeated(atom(depth)));
      }
      node->of.push_back(std::move(sequence));
    } while (good_ && take("|"));
    return node;
  }

  std::shared_ptr<const Node> repeated(std::shared_ptr<const Node> atom) {
    std::int64_t least = 1, most = 1;
    if (take("*")) {
      least = 0, most = INT64_MAX;
    } else if (take("+")) {
      most = INT64_MAX;
    } else if (take("?")) {
      least = 0;
    } else if (take("{")) {
      least = number();
      most = !take(",") ? least : (more() && text_[at_] == '}' ? INT64_MAX : number());
      if (!take("}") || least > most) return fail();
    } else {
      return atom;
    }
    take("?");  // lazy: takes the same texts
    auto node = std::make_shared<Node>(Node{.kind = Kind::Repeat, .least = least, .most = most});
    node->of.push_back(std::move(atom));
    return node;
  }

  std::int64_t number() {
    std::int64_t n = 0;
    const std::size_t first = at_;
    while (more() && text_[at_] >= '0' && text_[at_] <= '9' && n <= kMostRepeats) {
      n = n * 10 + (text_[at_++] - '0');
    }
    if (at_ == first || n > kMostRepeats) good_ = false;
    return n;
  }

  std::shared_ptr<const Node> atom(int depth) {
    if (take("^")) return std::make_shared<Node>(Node{.kind = Kind::Start});
    if (take("$")) return std::make_shared<Node>(Node{.kind = Kind::End});
    if (take("(")) {
      Kind kind = Kind::Sequence;
      if (take("?=")) {
        kind = Kind::Ahead;
      } else if (take("?!")) {
        kind = Kind::NotAhead;
      } else if (!take("?:") && take("?")) {
        return fail();
      }
      auto node = std::make_shared<Node>(Node{.kind = kind});
      node->of.push_back(either(depth + 1));
      return take(")") ? node : fail();
    }
    auto node = std::make_shared<Node>(Node{.kind = Kind::Set});
    if (take("[")) return characters(std::move(node));
    const char c = text_[at_++];
    if (c == '*' || c == '+' || c == '?' || c == '{') return fail();
    if (c == '.') {
      node->set.fill(true);
    } else if (c != '\\') {
      node->set[at(c)] = true;
    } else if (!more()) {
      return fail();
    } else {
      escaped(text_[at_++], node->set);
    }
    return node;
  }

  void escaped(char c, std::array<bool, 256>& set) {
    if (is_class(c)) {
      add_class(c, set);
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
      good_ = false;  // \b, back references
    } else {
      set[at(c)] = true;
    }
  }

  std::shared_ptr<const Node> characters(std::shared_ptr<Node> node) {
    const bool negated = take("^");
    bool first = true;
    while (good_ && more() && (first || text_[at_] != ']')) {
      first = false;
      const char c = text_[at_++];
      if (c == '\\') {
        if (!more()) return fail();
        escaped(text_[at_++], node->set);
      } else if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        for (std::size_t i = at(c); i <= at(text_[at_ + 1]); ++i) node->set[i] = true;
        at_ += 2;
      } else {
        node->set[at(c)] = true;
      }
    }
    if (!take("]")) return fail();
    for (bool& taken : node->set) taken = taken != negated;
    return node;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool good_ = true;
};

// The places in the text that have been reached: places[i] is before character i.
using Places = std::vector<bool>;

bool any(const Places& places) {
  return std::find(places.begin(), places.end(), true) != places.end();
}

Places walk(const Node& node, std::string_view text, const Places& from);

Places repeat(const Node& node, std::string_view text, Places from) {
  for (std::int64_t i = 0; i < node.least; ++i) from = walk(*node.of.front(), text, from);
  Places all = from;
  for (std::int64_t i = node.least; i < node.most && any(from); ++i) {
    from = walk(*node.of.front(), text, from);
    // What was reached before leads nowhere new.
    for (std::size_t p = 0; p < all.size(); ++p) {
      from[p] = from[p] && !all[p];
      all[p] = all[p] || from[p];
    }
  }
  return all;
}

Places walk(const Node& node, std::string_view text, const Places& from) {
  Places to(from.size(), false);
  switch (node.kind) {
    case Kind::Set:
      for (std::size_t p = 0; p < text.size(); ++p) {
        if (from[p] && node.set[at(text[p])]) to[p + 1] = true;
      }
      return to;
    case Kind::Sequence:
      to = from;
      for (const auto& part : node.of) to = walk(*part, text, to);
      return to;
    case Kind::Either:
      for (const auto& part : node.of) {
        const Places reached = walk(*part, text, from);
        for (std::size_t p = 0; p < to.size(); ++p) to[p] = to[p] || reached[p];
      }
      return to;
    case Kind::Repeat:
      return repeat(node, text, from);
    case Kind::Start:
      to.front() = from.front();
      return to;
    case Kind::End:
      to.back() = from.back();
      return to;
    case Kind::Ahead:
    case Kind::NotAhead:
      for (std::size_t p = 0; p < to.size(); ++p) {
        if (!from[p]) continue;
        Places here(from.size(), false);
        here[p] = true;
        to[p] = any(walk(*node.of.front(), text, here)) == (node.kind == Kind::Ahead);
      }
      return to;
  }
  return to;
}

// Glob matching with '*' only, linear in practice: backtracks to the last star alone.
bool glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

std::optional<ModuleExpression> ModuleExpression::compile(std::string_view expression) {
  if (expression.size() > kLongest) return {};
  ModuleExpression compiled;
  compiled.root_ = Parser(expression).parse();
  if (compiled.root_ == nullptr) return {};
  return compiled;
}

bool ModuleExpression::matches(std::string_view text) const {
  Places from(text.size() + 1, false);
  from.front() = true;
  return any(walk(*root_, text, from));
}

std::optional<ModulePattern> ModulePattern::compile(std::string_view text) {
  ModulePattern pattern;
  if (text.starts_with("re:")) {
    pattern.expression_ = ModuleExpression::compile(text.substr(3));
    if (!pattern.expression_) return {};
  } else {
    pattern.text_ = text;
  }
  return pattern;
}

bool ModulePattern::names(std::string_view module) const {
  if (expression_) return expression_->matches(module);
  if (text_.empty()) return false;
  // The name of what holds it: "model.layers.3.self_attn", or a piece: "self_attn".
  return glob(text_, module) || glob(text_ + ".*", module) || glob("*." + text_, module) ||
         glob("*." + text_ + ".*", module);
}

bool names_module(std::string_view pattern, std::string_view module) {
  const auto compiled = ModulePattern::compile(pattern);
  return compiled && compiled->names(module);
}

}  // namespace moesim::workloads
