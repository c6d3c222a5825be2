// What a YAML text holds, as a tree; and how it is made from yaml-cpp's events. Only for the files
// of the reader.
#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/io/yaml_reader.h"

namespace moesim::sim::io {

// A place in a text, from 1.
struct YamlMark {
  std::size_t line = 1, column = 1;
  bool operator==(const YamlMark&) const = default;
};

// A text that values come from: the file, or one --set.
struct YamlSource {
  std::string name;
  bool is_file = true;  // messages give line and column

  std::string where(YamlMark mark) const;
};

struct YamlNode::Value {
  enum class Kind { Null, Scalar, List, Map };
  struct Entry {
    std::string key;
    const YamlSource* source = nullptr;
    YamlMark mark;  // of the key
    Value* value = nullptr;
  };

  Kind kind = Kind::Null;
  std::string text;  // of a scalar
  const YamlSource* source = nullptr;
  YamlMark mark;
  std::vector<Value*> items;
  std::vector<Entry> entries;

  // Null where there is no such key.
  Entry* find(std::string_view key);
  const Entry* find(std::string_view key) const;
};

// Of one document that are told.
inline constexpr std::size_t kMostMistakes = 100;

struct YamlDocument::Contents {
  struct Mistake {
    const YamlSource* source;
    YamlMark mark;
    std::string text;
    // The map as a whole that it is about ("key x is missing"), or null. Where that map has a key
    // that is not known, it is most likely what follows from it, and is not told.
    const YamlNode::Value* of = nullptr;
  };

  std::filesystem::path folder;
  std::deque<YamlSource> sources;      // the file first; addresses are stable
  std::deque<YamlNode::Value> values;  // all of them; addresses are stable
  YamlNode::Value* root = nullptr;
  std::vector<Mistake> mistakes;
  std::set<const YamlNode::Value*> puzzling;  // maps with keys that are not known
  std::size_t aliased = 0;                    // values that aliases stand for, unfolded

  void note(const YamlSource* source, YamlMark mark, std::string text,
            const YamlNode::Value* of = nullptr);
  const std::string& name() const { return sources.front().name; }
  void throw_errors() const;
};

// Reads one YAML document into the contents' values and returns its root. Notes doubled keys and
// the like; throws ConfigError where the text is no YAML.
YamlNode::Value* build_yaml(std::string_view text, const YamlSource* source,
                            YamlDocument::Contents& contents);
// The same by one of two readers: our own for the plain part of YAML, quick, null where the text is
// more than that (yaml_plain.cpp); and yaml-cpp for all of it.
YamlNode::Value* build_plain_yaml(std::string_view text, const YamlSource* source,
                                  YamlDocument::Contents& contents);
YamlNode::Value* build_any_yaml(std::string_view text, const YamlSource* source,
                                YamlDocument::Contents& contents);

}  // namespace moesim::sim::io
