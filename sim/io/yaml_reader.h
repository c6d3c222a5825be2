// YAML that is read with care: every value knows its file, line and column, and every mistake of a
// file is reported at once.
//
//   YamlDocument document = YamlDocument::load("h100.yaml");
//   YamlNode root = document.root();
//   root.allow_only({"name", "memory"});
//   const Bytes capacity = root.at("memory").at("capacity").bytes();
//   document.throw_errors();        // one ConfigError that lists all that was wrong, if any was
//
// Reading never throws: a value that is missing or wrong is noted in the document and read as its
// type's default, so that one run finds all mistakes. What was read may be used only after
// throw_errors() has returned. A key given twice, a number such as 010, an anchor that holds
// itself, and nesting deeper than 100 are mistakes; so is a file over 64 MiB (InputError).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/units.h"

namespace moesim::sim::io {

class YamlNode;

// A value that is set in a document before it is read; see YamlDocument::set().
struct YamlOverride {
  std::string path;             // dotted
  std::string value;            // YAML text
  std::string where = "--set";  // who says so, for messages
  auto operator<=>(const YamlOverride&) const = default;
};

class YamlDocument {
 public:
  // Throws InputError where the file cannot be read, ConfigError where it is not YAML.
  static YamlDocument load(const std::filesystem::path& file);
  // `name` stands for the file in messages. Throws ConfigError where the text is not YAML.
  static YamlDocument parse(std::string_view text, std::string name);

  YamlNode root() const;
  // The file's folder: paths in the file are relative to it. Empty for parsed text.
  std::filesystem::path folder() const;
  const std::string& name() const;

  // Replaces or adds the value at a dotted path, "step.batch_per_rank", before it is read; the
  // value is YAML text ("64", "[1, 2]", "{law: zipf}"). Messages about it say where = "--set".
  // Throws ConfigError where the path runs through a scalar or the value is not YAML.
  void set(std::string_view path, std::string_view value, std::string where = "--set");

  // Throws one ConfigError with every mistake noted so far, a line each, in the file's order.
  void throw_errors() const;

  struct Contents;

 private:
  explicit YamlDocument(std::shared_ptr<Contents> contents) : contents_(std::move(contents)) {}
  std::shared_ptr<Contents> contents_;
};

// A value of a document. Cheap to copy; keeps the document alive.
class YamlNode {
 public:
  // "h100.yaml:12:14"
  std::string where() const;
  // "scale_up.bandwidth"; list items as "links[2]"
  const std::string& path() const;
  // The document's folder joined with the text of this node, if that is a relative path. What
  // set() gave is left as it is: the command line's paths are relative to where the command runs.
  std::filesystem::path file() const;

  bool is_missing() const;  // at() of a key that is not there
  bool is_null() const;
  bool is_map() const;
  bool is_list() const;
  bool is_scalar() const;

  // Of the document that it is in: its name, and throw_errors().
  const std::string& document_name() const;
  void throw_errors() const;

  // Notes a mistake at this value: "h100.yaml:12:14: scale_up.bandwidth: MESSAGE". const: the
  // document, not the node, remembers it.
  void error(const std::string& message) const;

  // A map's value. Notes a mistake where this is no map or the key is not there; what is read from
  // the node that comes back is then a default, and silent.
  YamlNode at(std::string_view key) const;
  // A map's value, or nothing where the key is not there (or null).
  std::optional<YamlNode> find(std::string_view key) const;
  // Notes a mistake for each key that is not in the list: unknown key "bandwith"; did you mean …?
  void allow_only(std::initializer_list<std::string_view> keys) const;
  void allow_only(std::span<const std::string_view> keys) const;
  // A map's pairs in the file's order; notes a mistake where this is no map.
  std::vector<std::pair<std::string, YamlNode>> entries() const;
  // A list's items; notes a mistake where this is no list.
  std::vector<YamlNode> items() const;

  // Scalars. Each notes a mistake where the text is not of the kind, or out of the range.
  std::string text() const;
  bool boolean() const;  // true or false, nothing else
  std::int64_t integer(std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                       std::int64_t most = std::numeric_limits<std::int64_t>::max()) const;
  double number(double least = -std::numeric_limits<double>::infinity(),
                double most = std::numeric_limits<double>::infinity()) const;  // finite
  Bytes bytes() const;                                                         // "80 GiB"
  Duration duration() const;                                                   // "1.5 us"
  Bandwidth bandwidth() const;  // "400 Gbit/s", above zero
  FlopRate flop_rate() const;   // "989 TFLOP/s", above zero
  // The place of the text in the list: expected one of a, b, c, not "d"; did you mean "c"?
  std::size_t one_of(std::initializer_list<std::string_view> names) const;
  std::size_t one_of(std::span<const std::string_view> names) const;

  // Where the value comes from, for `moesim config`: "h100.yaml:12" or "--set".
  std::string origin() const;

  struct Value;

 private:
  friend class YamlDocument;
  YamlNode(std::shared_ptr<YamlDocument::Contents> document, const Value* value, std::string path);
  // Notes "expected WHAT, not …" with what is there.
  void expected(std::string_view what) const;
  std::shared_ptr<YamlDocument::Contents> document_;
  const Value* value_;  // null where missing
  std::string path_;
};

// The name that was probably meant, by edit distance; empty where none is close.
std::string did_you_mean(std::string_view found, std::span<const std::string_view> known);

}  // namespace moesim::sim::io
