#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <map>
#include <streambuf>
#include <unordered_map>

#include "sim/error.h"
#include "sim/io/message.h"
#include "sim/io/yaml_value.h"

namespace moesim::sim::io {
namespace {

using Value = YamlNode::Value;
using Kind = Value::Kind;

constexpr std::size_t kDeepest = 100;
constexpr std::size_t kMostAliased = 1'000'000;

YamlMark place(const YAML::Mark& mark) {
  // yaml-cpp counts from 0, and has -1 for nowhere.
  return {static_cast<std::size_t>(std::max(mark.line, 0)) + 1,
          static_cast<std::size_t>(std::max(mark.column, 0)) + 1};
}

// Whether a quote is opened at the mark and never closed: yaml-cpp 0.7 takes the text's last line
// end for the closing quote.
bool is_open(std::string_view text, YamlMark mark) {
  std::size_t at = 0;
  for (std::size_t line = 1; line < mark.line; ++line) {
    at = text.find('\n', at);
    if (at == std::string_view::npos) return false;
    ++at;
  }
  if (mark.line == 1 && text.starts_with("\xEF\xBB\xBF")) at += 3;
  at += mark.column - 1;
  // An anchor or a tag may stand before the quote.
  while (at < text.size() && (text[at] == '&' || text[at] == '!')) {
    at = std::min(text.find_first_of(" \t\r\n", at), text.size());
    at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
  }
  if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) return false;
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '"' || at + 1 >= text.size() || text[at + 1] != quote) return false;
      ++at;
    }
  }
  return true;
}

// A text as a stream, without a copy.
class View : public std::streambuf {
 public:
  explicit View(std::string_view text) {
    char* start = const_cast<char*>(text.data());  // only read
    setg(start, start, start + text.size());
  }
};

class Builder : public YAML::EventHandler {
 public:
  Builder(const YamlSource* source, YamlDocument::Contents& contents)
      : source_(source), contents_(contents) {}

  Value* root() const { return root_; }
  // The last scalar that was not plain.
  std::optional<YamlMark> last_quoted() const { return last_quoted_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) {
      fail(place(mark), "a second document starts here; a file holds one");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    attach(make(Kind::Null, mark, anchor));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    Value* value = make(Kind::Scalar, mark, anchor);
    value->text = text;
    if (tag != "?") last_quoted_ = value->mark;
    check_tag(tag, mark);
    attach(value);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Kind::List, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Kind::Map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end() || found->second.open) {
      contents_.note(source_, place(mark), "this alias stands inside the value that it names");
      attach(make(Kind::Null, mark, 0));
      return;
    }
    contents_.aliased += found->second.size;
    if (contents_.aliased > kMostAliased) {
      fail(place(mark), fmt::format("the aliases unfold to more than {} values", kMostAliased));
    }
    unfolded_ += found->second.size;
    attach(found->second.value);
  }

 private:
  struct Anchored {
    Value* value = nullptr;
    bool open = false;     // its end has not been read yet
    std::size_t size = 1;  // values in it, aliases unfolded
  };
  struct Level {
    Value* value = nullptr;
    YAML::anchor_t anchor = 0;
    std::size_t before = 0;  // unfolded_ when it was opened
    bool has_key = false;
    bool is_key = false;  // what stands for the key can be one
    std::string key = {};
    YamlMark key_mark = {};
    std::unordered_map<std::string, YamlMark> keys = {};
  };

  [[noreturn]] void fail(YamlMark mark, const std::string& why) const {
    throw ConfigError(fmt::format("{}: {}", source_->where(mark), why));
  }

  void check_tag(const std::string& tag, const YAML::Mark& mark) {
    // "?" and "!" are yaml-cpp's words for a plain and a quoted value without a tag.
    if (tag.empty() || tag == "?" || tag == "!") return;
    contents_.note(source_, place(mark), fmt::format("tags such as {} are not read", quote(tag)));
  }

  Value* make(Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    Value& value = contents_.values.emplace_back();
    value.kind = kind;
    value.source = source_;
    value.mark = place(mark);
    ++unfolded_;
    if (anchor != 0) anchors_[anchor] = {&value};
    return &value;
  }

  void open(Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (levels_.size() >= kDeepest) {
      fail(place(mark), fmt::format("nested deeper than {} levels", kDeepest));
    }
    const std::size_t before = unfolded_;
    Value* value = make(kind, mark, anchor);
    if (anchor != 0) anchors_[anchor].open = true;
    check_tag(tag, mark);
    attach(value);
    levels_.push_back({.value = value, .anchor = anchor, .before = before});
  }

  void close() {
    const Level& level = levels_.back();
    if (level.anchor != 0) {
      anchors_[level.anchor] = {level.value, false, unfolded_ - level.before};
    }
    levels_.pop_back();
  }

  // Puts a value where it stands: as the root, an item, a key or the value of the last key.
  void attach(Value* value) {
    if (levels_.empty()) {
      root_ = value;
      return;
    }
    Level& level = levels_.back();
    if (level.value->kind == Kind::List) {
      level.value->items.push_back(value);
    } else if (!level.has_key) {
      level.has_key = true;
      level.key_mark = value->mark;
      level.is_key = value->kind == Kind::Scalar;
      level.key = value->text;
      if (!level.is_key) contents_.note(source_, value->mark, "a key must be a plain text");
    } else {
      level.has_key = false;
      add_entry(level, value);
    }
  }

  void add_entry(Level& level, Value* value) {
    if (!level.is_key) return;
    // yaml-cpp places an empty value at whatever comes next.
    if (value->kind == Kind::Null && value->mark.line != level.key_mark.line) {
      value->mark = level.key_mark;
    }
    const auto [first, is_new] = level.keys.try_emplace(level.key, level.key_mark);
    if (!is_new) {
      contents_.note(source_, level.key_mark,
                     fmt::format("key {} is given twice; the first is at {}:{}", quote(level.key),
                                 first->second.line, first->second.column));
      return;
    }
    level.value->entries.push_back({std::move(level.key), source_, level.key_mark, value});
  }

  const YamlSource* source_;
  YamlDocument::Contents& contents_;
  Value* root_ = nullptr;
  int documents_ = 0;
  std::optional<YamlMark> last_quoted_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t unfolded_ = 0;  // values so far, aliases unfolded
};

// The tab with which the line, or the one before it, begins; yaml-cpp complains where it first
// matters.
std::optional<YamlMark> tab_in_indentation(std::string_view text, std::size_t line) {
  std::size_t at = 1;
  std::optional<YamlMark> found;
  for (std::size_t start = 0; start < text.size() && at <= line; ++at) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::size_t first = text.find_first_not_of(' ', start);
    if (first < end && text[first] == '\t' && at + 1 >= line) {
      found = YamlMark{at, first - start + 1};
    }
    start = end + 1;
  }
  return found;
}

}  // namespace

YamlNode::Value* build_yaml(std::string_view text, const YamlSource* source,
                            YamlDocument::Contents& contents) {
  constexpr std::size_t kMost = std::size_t{64} << 20;
  if (text.size() > kMost) {
    throw InputError(
        fmt::format("{}: holds more than 64 MiB, which is the most that is read", source->name));
  }
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
    throw ConfigError(fmt::format("{}: not YAML: a zero byte at offset {}", source->name, zero));
  }
  if (YamlNode::Value* root = build_plain_yaml(text, source, contents)) return root;
  return build_any_yaml(text, source, contents);
}

YamlNode::Value* build_any_yaml(std::string_view text, const YamlSource* source,
                                YamlDocument::Contents& contents) {
  View view(text);
  std::istream stream(&view);
  Builder builder(source, contents);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    if (const auto tab = tab_in_indentation(text, place(error.mark).line)) {
      throw ConfigError(
          fmt::format("{}: not YAML: a tab; YAML is indented by spaces", source->where(*tab)));
    }
    throw ConfigError(fmt::format("{}: not YAML: {}", source->where(place(error.mark)),
                                  printable(error.msg, 200)));
  }
  const auto quoted = builder.last_quoted();
  if (quoted && is_open(text, *quoted)) {
    throw ConfigError(
        fmt::format("{}: not YAML: a quote is opened and never closed", source->where(*quoted)));
  }
  if (builder.root() != nullptr) return builder.root();
  Value& nothing = contents.values.emplace_back();
  nothing.source = source;
  return &nothing;
}

}  // namespace moesim::sim::io
