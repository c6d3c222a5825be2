// The part of YAML that configurations are mostly written in, read in one pass: block maps and
// lists, flow maps and lists, plain texts and quoted ones of one line without escapes, folded
// blocks (">-") of equal indent, comments; printable ASCII. yaml-cpp takes a thousand instructions
// a character.
//
// Whatever else there is, mistakes above all, is left to yaml-cpp, which says what is wrong: where
// anything is in doubt this gives up. What it reads it reads as yaml-cpp does, values and places.
#include <algorithm>

#include "sim/io/yaml_value.h"

namespace moesim::sim::io {
namespace {

using Value = YamlNode::Value;
using Kind = Value::Kind;

constexpr std::size_t kDeepest = 50;
constexpr std::size_t kMostKeys = 256;  // of a map, each of which is compared with all before

struct GiveUp {};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_printable(char c) {
  return c >= ' ' && c <= '~';
}

class PlainReader {
 public:
  PlainReader(std::string_view text, const YamlSource* source, YamlDocument::Contents& contents)
      : text_(text), source_(source), contents_(contents) {}

  Value* read() {
    next_content();
    require(at_ < text_.size() && column() == 1 && is_word(text_[at_]));
    Value* root = block_map();
    require(at_ == text_.size());
    return root;
  }

 private:
  // Else the text is not as plain as that.
  static void require(bool condition) {
    if (!condition) throw GiveUp{};
  }
  char here() const { return at_ < text_.size() ? text_[at_] : '\n'; }
  char after() const { return at_ + 1 < text_.size() ? text_[at_ + 1] : '\n'; }
  std::size_t column() const { return at_ - line_start_ + 1; }
  YamlMark mark() const { return {line_, column()}; }

  void blanks() {
    while (here() == ' ') ++at_;
  }
  void comment() {
    if (here() != '#') return;
    require(at_ == line_start_ || text_[at_ - 1] == ' ');
    at_ = std::min(text_.find('\n', at_), text_.size());
  }
  // To the end of the line, where nothing but a comment may stand.
  void end_of_line() {
    blanks();
    comment();
    require(here() == '\n');
  }
  void next_line() {
    if (at_ < text_.size()) ++at_;
    ++line_;
    line_start_ = at_;
  }
  // From the start or the end of a line to the next value, key or dash.
  void next_content() {
    while (at_ < text_.size()) {
      blanks();
      comment();
      if (here() != '\n' || at_ == text_.size()) break;
      next_line();
    }
    if (at_ < text_.size() && column() == 1)  // "---", "..." start and end documents
      require(text_.compare(at_, 3, "---") != 0 && text_.compare(at_, 3, "...") != 0);
  }

  Value* make(Kind kind, YamlMark where) {
    Value& value = contents_.values.emplace_back();
    value.kind = kind;
    value.source = source_;
    value.mark = where;
    return &value;
  }

  std::string_view key() {
    const std::size_t start = at_;
    require(is_word(here()));
    while (is_word(here()) || here() == '-' || here() == '.' || here() == '/') ++at_;
    const std::string_view key = text_.substr(start, at_ - start);
    require(here() == ':' && (after() == ' ' || after() == '\n') && !means_null(key));
    ++at_;
    return key;
  }
  static bool means_null(std::string_view text) {
    return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
  }
  void add(Value* map, std::string_view key, YamlMark where, Value* value) {
    require(map->entries.size() < kMostKeys && map->find(key) == nullptr);
    map->entries.push_back({std::string(key), source_, where, value});
  }

  // Of the keys that stand in this column.
  Value* block_map() {
    require(++depth_ < kDeepest);
    const std::size_t indent = column();
    Value* map = make(Kind::Map, mark());
    while (at_ < text_.size() && column() == indent) {
      const YamlMark where = mark();
      const std::string_view name = key();
      blanks();
      Value* value = nullptr;
      if (here() == '\n' || here() == '#') {
        end_of_line();
        next_content();
        const bool dash = here() == '-' && after() == ' ';
        require(at_ < text_.size() && (column() > indent || (dash && column() == indent)));
        value = dash ? block_list() : block_map();
      } else {
        value = block_value(indent);
      }
      add(map, name, where, value);
    }
    require(at_ == text_.size() || column() < indent);
    --depth_;
    return map;
  }

  Value* block_list() {
    require(++depth_ < kDeepest);
    const std::size_t indent = column();
    Value* list = make(Kind::List, mark());
    while (at_ < text_.size() && column() == indent && here() == '-' && after() == ' ') {
      ++at_;
      blanks();
      require(here() != '\n' && here() != '#' && !(here() == '-' && after() == ' '));
      list->items.push_back(starts_map() ? block_map() : block_value(indent));
    }
    require(at_ == text_.size() || column() <= indent);
    --depth_;
    return list;
  }

  // Whether a key stands here.
  bool starts_map() const {
    std::size_t end = at_;
    while (end < text_.size() &&
           (is_word(text_[end]) || text_[end] == '-' || text_[end] == '.' || text_[end] == '/'))
      ++end;
    return end > at_ && end < text_.size() && text_[end] == ':' &&
           (end + 1 == text_.size() || text_[end + 1] == ' ' || text_[end + 1] == '\n');
  }

  // After a key or a dash, to the next line's content.
  Value* block_value(std::size_t indent) {
    Value* value = nullptr;
    if (here() == '{' || here() == '[') {
      value = flow_value();
    } else if (here() == '"' || here() == '\'') {
      value = quoted();
    } else if (here() == '>') {
      return folded(indent);
    } else {
      value = make(Kind::Scalar, mark());
      value->text = plain(false);
    }
    end_of_line();
    next_content();
    // What is further in would go on with the text.
    require(at_ == text_.size() || column() <= indent);
    return value;
  }

  // Of one line. In flow it ends at a comma or a bracket.
  std::string_view plain(bool flow) {
    const std::size_t start = at_;
    require(is_word(here()) || here() == '/' || here() == '.' ||
            (here() == '-' && is_word(after())));
    std::size_t end = start;  // of what is no blank
    for (; at_ < text_.size() && text_[at_] != '\n'; ++at_) {
      const char c = text_[at_];
      require(is_printable(c));
      if (c == ' ') continue;
      if (c == '#' && end < at_) break;
      if (flow && (c == ',' || c == ']' || c == '}')) break;
      require(!(c == ':' && (flow || after() == ' ' || after() == '\n')));
      require(!(flow && (c == '[' || c == '{')));
      end = at_ + 1;
    }
    at_ = end;
    const std::string_view text = text_.substr(start, end - start);
    require(!means_null(text));
    return text;
  }

  Value* quoted() {
    const char quote = here();
    Value* value = make(Kind::Scalar, mark());
    const std::size_t start = ++at_;
    while (here() != quote) {
      require(is_printable(here()) && here() != '\\');
      ++at_;
    }
    value->text = text_.substr(start, at_ - start);
    ++at_;
    require(here() != quote);
    return value;
  }

  // ">-" and lines of one indent, which are joined by blanks.
  Value* folded(std::size_t outside) {
    Value* value = make(Kind::Scalar, mark());
    require(after() == '-');
    at_ += 2;
    require(here() == '\n' && at_ < text_.size());
    std::size_t indent = 0;
    while (true) {
      next_line();
      const std::size_t start = at_;
      blanks();
      if (at_ == text_.size() || here() == '\n' || (indent != 0 && column() < indent)) break;
      if (indent == 0) indent = column();
      require(column() == indent && indent > outside);
      const std::size_t from = at_;
      at_ = std::min(text_.find('\n', at_), text_.size());
      require(text_[at_ - 1] != ' ' && start <= from);
      if (!value->text.empty()) value->text += ' ';
      value->text.append(text_, from, at_ - from);
    }
    require(indent != 0);
    at_ = line_start_;
    next_content();
    require(at_ == text_.size() || column() <= outside);
    return value;
  }

  // Between the parts of a flow: blanks, line ends and comments.
  void flow_blanks() {
    while (at_ < text_.size()) {
      if (here() == ' ') {
        ++at_;
      } else if (here() == '\n') {
        next_line();
      } else if (here() == '#') {
        comment();
      } else {
        break;
      }
    }
    require(at_ < text_.size() && column() > 1);
  }

  Value* flow_value() {
    require(++depth_ < kDeepest);
    Value* value = nullptr;
    if (here() == '{') {
      value = flow(Kind::Map, '}');
    } else if (here() == '[') {
      value = flow(Kind::List, ']');
    } else if (here() == '"' || here() == '\'') {
      value = quoted();
    } else {
      value = make(Kind::Scalar, mark());
      value->text = plain(true);
    }
    --depth_;
    return value;
  }

  Value* flow(Kind kind, char close) {
    Value* value = make(kind, mark());
    ++at_;
    flow_blanks();
    if (here() == close) {
      ++at_;
      return value;
    }
    while (true) {
      if (kind == Kind::Map) {
        const YamlMark where = mark();
        const std::string_view name = key();
        flow_blanks();
        add(value, name, where, flow_value());
      } else {
        value->items.push_back(flow_value());
      }
      flow_blanks();
      if (here() == close) break;
      require(here() == ',');
      ++at_;
      flow_blanks();
    }
    ++at_;
    return value;
  }

  std::string_view text_;
  const YamlSource* source_;
  YamlDocument::Contents& contents_;
  std::size_t at_ = 0, line_ = 1, line_start_ = 0, depth_ = 0;
};

// Comments may hold what is not ASCII, but no byte that means something to yaml-cpp.
bool has_controls(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < ' ' && c != '\n') || byte == 0x7F;
  });
}

}  // namespace

YamlNode::Value* build_plain_yaml(std::string_view text, const YamlSource* source,
                                  YamlDocument::Contents& contents) {
  if (has_controls(text)) return nullptr;
  const std::size_t before = contents.values.size();
  try {
    return PlainReader(text, source, contents).read();
  } catch (const GiveUp&) {
    contents.values.resize(before);
    return nullptr;
  }
}

}  // namespace moesim::sim::io
