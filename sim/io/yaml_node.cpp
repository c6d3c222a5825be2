#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sim/io/message.h"
#include "sim/io/yaml_value.h"

namespace moesim::sim::io {

YamlNode::YamlNode(std::shared_ptr<YamlDocument::Contents> document, const Value* value,
                   std::string path)
    : document_(std::move(document)), value_(value), path_(std::move(path)) {}

std::string YamlNode::where() const {
  if (value_ == nullptr) return document_->sources.front().name;
  return value_->source->where(value_->mark);
}

const std::string& YamlNode::path() const {
  return path_;
}

std::string YamlNode::origin() const {
  if (value_ == nullptr) return {};
  if (!value_->source->is_file) return value_->source->name;
  return fmt::format("{}:{}", value_->source->name, value_->mark.line);
}

const std::string& YamlNode::document_name() const {
  return document_->name();
}

void YamlNode::throw_errors() const {
  document_->throw_errors();
}

std::filesystem::path YamlNode::file() const {
  std::filesystem::path named = text();
  // What the command line names is relative to where the command runs.
  if (named.is_absolute() || named.empty() || !value_->source->is_file) return named;
  return (document_->folder / named).lexically_normal();
}

bool YamlNode::is_missing() const {
  return value_ == nullptr;
}
bool YamlNode::is_null() const {
  return value_ != nullptr && value_->kind == Value::Kind::Null;
}
bool YamlNode::is_map() const {
  return value_ != nullptr && value_->kind == Value::Kind::Map;
}
bool YamlNode::is_list() const {
  return value_ != nullptr && value_->kind == Value::Kind::List;
}
bool YamlNode::is_scalar() const {
  return value_ != nullptr && value_->kind == Value::Kind::Scalar;
}

void YamlNode::error(const std::string& message) const {
  if (value_ == nullptr) return;  // that it is missing was said
  std::string text =
      path_.empty() ? message : fmt::format("{}: {}", printable(path_, 200), message);
  // A message has lines of its own; those of the value that it repeats are none of them.
  if (const std::string& value = value_->text; value.find('\n') != std::string::npos) {
    const std::string shown = printable(value);
    for (std::size_t at = 0; (at = text.find(value, at)) != std::string::npos; at += shown.size())
      text.replace(at, value.size(), shown);
  }
  document_->note(value_->source, value_->mark, std::move(text), is_map() ? value_ : nullptr);
}

void YamlNode::expected(std::string_view what) const {
  if (value_ == nullptr) return;
  std::string found;
  switch (value_->kind) {
    case Value::Kind::Null:
      found = "nothing";
      break;
    case Value::Kind::Scalar:
      found = quote(value_->text);
      break;
    case Value::Kind::List:
      found = "a list";
      break;
    case Value::Kind::Map:
      found = "a map";
      break;
  }
  error(fmt::format("expected {}, not {}", what, found));
}

YamlNode YamlNode::at(std::string_view key) const {
  const std::string path = path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  if (value_ == nullptr) return YamlNode(document_, nullptr, path);
  if (!is_map()) {
    expected("a map");  // once, however many keys are asked for
    return YamlNode(document_, nullptr, path);
  }
  const Value::Entry* entry = value_->find(key);
  if (entry == nullptr) {
    error(fmt::format("key {} is missing", quote(key)));
    return YamlNode(document_, nullptr, path);
  }
  return YamlNode(document_, entry->value, path);
}

std::optional<YamlNode> YamlNode::find(std::string_view key) const {
  if (value_ == nullptr) return {};
  if (!is_map()) {
    expected("a map");
    return {};
  }
  const Value::Entry* entry = value_->find(key);
  if (entry == nullptr || entry->value->kind == Value::Kind::Null) return {};
  return YamlNode(document_, entry->value,
                  path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key));
}

void YamlNode::allow_only(std::initializer_list<std::string_view> keys) const {
  allow_only(std::span(keys.begin(), keys.size()));
}

void YamlNode::allow_only(std::span<const std::string_view> keys) const {
  if (value_ == nullptr) return;
  if (!is_map()) return expected("a map");
  std::size_t unknown = 0;
  for (const Value::Entry& entry : value_->entries) {
    if (std::find(keys.begin(), keys.end(), entry.key) != keys.end()) continue;
    if (unknown++ > kMostMistakes) break;  // of the last of which it is told that there are more
    document_->puzzling.insert(value_);
    const std::string meant = suggestion(entry.key, keys);
    document_->note(
        entry.source, entry.mark,
        fmt::format("{}unknown key {}{}", path_.empty() ? "" : printable(path_, 200) + ": ",
                    quote(entry.key),
                    meant.empty() ? fmt::format("; known are {}", fmt::join(keys, ", ")) : meant));
  }
}

std::vector<std::pair<std::string, YamlNode>> YamlNode::entries() const {
  std::vector<std::pair<std::string, YamlNode>> pairs;
  if (value_ == nullptr) return pairs;
  if (!is_map()) {
    expected("a map");
    return pairs;
  }
  for (const Value::Entry& entry : value_->entries) {
    pairs.emplace_back(
        entry.key, YamlNode(document_, entry.value,
                            path_.empty() ? entry.key : fmt::format("{}.{}", path_, entry.key)));
  }
  return pairs;
}

std::vector<YamlNode> YamlNode::items() const {
  std::vector<YamlNode> nodes;
  if (value_ == nullptr) return nodes;
  if (!is_list()) {
    expected("a list");
    return nodes;
  }
  for (const Value* item : value_->items) {
    nodes.push_back(YamlNode(document_, item, fmt::format("{}[{}]", path_, nodes.size())));
  }
  return nodes;
}

}  // namespace moesim::sim::io
