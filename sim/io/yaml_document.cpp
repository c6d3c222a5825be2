#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "sim/io/message.h"
#include "sim/io/yaml_value.h"

namespace moesim::sim::io {
namespace {

using Value = YamlNode::Value;
using Kind = Value::Kind;

// A step of a dotted path: a key, then list places: "links[2]" is {"links", {2}}.
struct Step {
  std::string_view key;
  std::vector<std::size_t> items;
};

std::optional<Step> parse_step(std::string_view text) {
  Step step;
  const std::size_t bracket = text.find('[');
  step.key = text.substr(0, bracket);
  if (step.key.empty()) return {};
  if (bracket == std::string_view::npos) return step;
  std::string_view rest = text.substr(bracket);
  while (!rest.empty()) {
    const std::size_t end = rest.find(']');
    std::size_t item = 0;
    if (rest.front() != '[' || end == std::string_view::npos) return {};
    const auto [stop, error] = std::from_chars(rest.data() + 1, rest.data() + end, item);
    if (error != std::errc{} || stop != rest.data() + end) return {};
    step.items.push_back(item);
    rest.remove_prefix(end + 1);
  }
  return step;
}

const char* kind_text(Kind kind) {
  switch (kind) {
    case Kind::Null:
      return "nothing";
    case Kind::Scalar:
      return "a single value";
    case Kind::List:
      return "a list";
    case Kind::Map:
      return "a map";
  }
  return "";
}

// Walks down a path and replaces what is at its end. Each value on the way is copied first: an
// alias may show it in other places too, which must not change.
class Setter {
 public:
  Setter(YamlDocument::Contents& contents, const YamlSource* source, std::string_view path)
      : contents_(contents), source_(source), path_(path) {}

  void set(Value* value) {
    std::vector<Step> steps;
    for (std::size_t start = 0; start <= path_.size();) {
      const std::size_t dot = std::min(path_.find('.', start), path_.size());
      auto step = parse_step(path_.substr(start, dot - start));
      if (!step) fail("expected a path such as step.batch_per_rank or links[2].bandwidth");
      steps.push_back(std::move(*step));
      start = dot + 1;
    }
    Value** slot = &contents_.root;
    for (const Step& step : steps) {
      slot = entry(slot, step.key);
      for (const std::size_t item : step.items) slot = list_item(slot, item);
    }
    *slot = value;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw ConfigError(fmt::format("{} {}: {}", source_->name, printable(path_, 200), why));
  }

  Value* copy(Value** slot) {
    *slot = &contents_.values.emplace_back(**slot);
    return *slot;
  }

  Value** entry(Value** slot, std::string_view key) {
    Value* map = copy(slot);
    if (map->kind == Kind::Null) {
      map->kind = Kind::Map;
      map->source = source_;
    }
    if (map->kind == Kind::Scalar && (walked_ == "cluster" || walked_ == "engine")) {
      // The path of a file gains what is otherwise than in it.
      Value& file = contents_.values.emplace_back(*map);
      *map = Value{};
      map->kind = Kind::Map;
      map->source = file.source;
      map->mark = file.mark;
      map->entries.push_back({"file", file.source, file.mark, &file});
    }
    if (map->kind != Kind::Map) {
      fail(fmt::format("{} is {}, which has no {}", quote(walked_), kind_text(map->kind),
                       quote(key)));
    }
    if (!walked_.empty()) walked_ += '.';
    walked_ += key;
    if (Value::Entry* found = map->find(key)) return &found->value;
    Value& fresh = contents_.values.emplace_back();
    fresh.source = source_;
    map->entries.push_back({std::string(key), source_, {}, &fresh});
    return &map->entries.back().value;
  }

  Value** list_item(Value** slot, std::size_t item) {
    Value* list = copy(slot);
    if (list->kind != Kind::List || item >= list->items.size()) {
      fail(list->kind != Kind::List
               ? fmt::format("{} is {}, not a list", quote(walked_), kind_text(list->kind))
               : fmt::format("{} has {} items, so none with number {}", quote(walked_),
                             list->items.size(), item));
    }
    walked_ += fmt::format("[{}]", item);
    return &list->items[item];
  }

  YamlDocument::Contents& contents_;
  const YamlSource* source_;
  std::string_view path_;
  std::string walked_;
};

}  // namespace

std::string YamlSource::where(YamlMark mark) const {
  return is_file ? fmt::format("{}:{}:{}", name, mark.line, mark.column) : name;
}

Value::Entry* YamlNode::Value::find(std::string_view key) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

const Value::Entry* YamlNode::Value::find(std::string_view key) const {
  return const_cast<Value*>(this)->find(key);
}

void YamlDocument::Contents::note(const YamlSource* source, YamlMark mark, std::string text,
                                  const Value* of) {
  mistakes.push_back({source, mark, std::move(text), of});
}

YamlDocument YamlDocument::load(const std::filesystem::path& file) {
  YamlDocument document =
      parse(read_text(file, std::size_t{64} << 20), file.lexically_normal().string());
  // What comes from a pipe lies nowhere: its paths are relative to where the program runs.
  if (file != "/dev/stdin") document.contents_->folder = file.parent_path();
  return document;
}

YamlDocument YamlDocument::parse(std::string_view text, std::string name) {
  auto contents = std::make_shared<Contents>();
  const YamlSource* source = &contents->sources.emplace_back(YamlSource{std::move(name), true});
  contents->root = build_yaml(text, source, *contents);
  return YamlDocument(std::move(contents));
}

YamlNode YamlDocument::root() const {
  return YamlNode(contents_, contents_->root, "");
}

std::filesystem::path YamlDocument::folder() const {
  return contents_->folder;
}

const std::string& YamlDocument::name() const {
  return contents_->name();
}

void YamlDocument::set(std::string_view path, std::string_view value, std::string where) {
  const YamlSource* source = &contents_->sources.emplace_back(YamlSource{std::move(where), false});
  Value* built = nullptr;
  try {
    built = build_yaml(value, source, *contents_);
  } catch (const ConfigError& error) {
    // "--set: not YAML: …" does not say which of several.
    throw ConfigError(fmt::format("{} {}{}", source->name, printable(path, 200),
                                  std::string_view(error.what()).substr(source->name.size())));
  }
  Setter(*contents_, source, path).set(built);
}

void YamlDocument::throw_errors() const {
  contents_->throw_errors();
}

void YamlDocument::Contents::throw_errors() const {
  if (mistakes.empty()) return;
  std::vector<Mistake> in_order;
  // What is said of one value after it was found wrong is about the default that stands for it.
  std::set<std::tuple<const YamlSource*, std::size_t, std::size_t, std::string>> told;
  for (const Mistake& mistake : mistakes) {
    const bool follows = mistake.of != nullptr
                             ? puzzling.contains(mistake.of)
                             : !told.emplace(mistake.source, mistake.mark.line, mistake.mark.column,
                                             mistake.text.substr(0, mistake.text.find(": ")))
                                    .second;
    if (!follows) in_order.push_back(mistake);
  }
  const auto order = [](const Mistake& a) {
    return std::tuple(!a.source->is_file, a.mark.line, a.mark.column);
  };
  std::stable_sort(in_order.begin(), in_order.end(),
                   [&](const auto& a, const auto& b) { return order(a) < order(b); });
  std::vector<std::string> lines;
  for (const Mistake& mistake : in_order) {
    std::string line = fmt::format("{}: {}", mistake.source->where(mistake.mark), mistake.text);
    // A value that is read twice, or through an alias, is wrong once.
    if (std::find(lines.begin(), lines.end(), line) != lines.end()) continue;
    if (lines.size() == kMostMistakes) {
      lines.push_back(fmt::format("{}: … and more", name()));
      break;
    }
    lines.push_back(std::move(line));
  }
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  throw ConfigError(text);
}

}  // namespace moesim::sim::io
