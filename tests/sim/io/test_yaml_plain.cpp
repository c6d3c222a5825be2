// The quick reader of plain YAML reads what yaml-cpp reads, or nothing.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "sim/io/yaml_value.h"

using namespace moesim::sim;
using namespace moesim::sim::io;
using Value = YamlNode::Value;

namespace {

// With all places: "{ key@1:1=<value>@1:6 }@1:1".
std::string drawn(const Value& value) {
  const std::string at =
      "@" + std::to_string(value.mark.line) + ":" + std::to_string(value.mark.column);
  std::string text;
  switch (value.kind) {
    case Value::Kind::Null:
      return "null" + at;
    case Value::Kind::Scalar:
      return "<" + value.text + ">" + at;
    case Value::Kind::List:
      for (const Value* item : value.items) text += " " + drawn(*item);
      return "[" + text + " ]" + at;
    case Value::Kind::Map:
      for (const auto& entry : value.entries) {
        text += " " + entry.key + "@" + std::to_string(entry.mark.line) + ":" +
                std::to_string(entry.mark.column) + "=" + drawn(*entry.value);
      }
      return "{" + text + " }" + at;
  }
  return "";
}

using Reader = Value* (*)(std::string_view, const YamlSource*, YamlDocument::Contents&);

// Empty where the reader reads nothing.
std::string read_by(Reader reader, const std::string& text) {
  const YamlSource source{"x.yaml"};
  YamlDocument::Contents contents;
  contents.sources.push_back(source);
  const Value* root = reader(text, &source, contents);
  return root == nullptr || !contents.mistakes.empty() ? "" : drawn(*root);
}

std::string plain(const std::string& text) {
  return read_by(build_plain_yaml, text);
}
std::string any(const std::string& text) {
  return read_by(build_any_yaml, text);
}

}  // namespace

TEST_CASE("plain texts have their values and places") {
  CHECK(plain("a: 1\nb:\n  - x y # note\n  - {c: [2, 'd']}\n") ==
        "{ a@1:1=<1>@1:4 b@2:1=[ <x y>@3:5 { c@4:6=[ <2>@4:10 <d>@4:13 ]@4:9 }@4:5 ]@3:3 }@1:1");
}

TEST_CASE("what is read quickly is what yaml-cpp reads") {
  for (const std::string text : {
           "a: 1",
           "# first\n\na: 1  # one\n# between\nb: -2.5\n\n",
           "a:\n  b:\n    c: x, y [z] {w}\n  d: e:f\ng: http://h#i\n",
           "a:\n- b\n- c: 1\n  d: 2\n-  e\nf: g\n",
           "a:\n  -   b: 1\n      c: 2\n    # in\n  - d\n",
           "a: {}\nb: []\nc: [[1, 2], {d: [ ]}]\n",
           "a: [1,\n   # why\n   2,\n   {b: 3,\n    c: 4}]\nd: 5\n",
           "a: {b:\n  1}\n",
           "a: \"x # y: {z}\" # w\nb: 'it, is'\nc: ''\n",
           "a: >-\n  1 2\n  -3 4\nb: 5\n",
           "a:\n  b: >-\n    1 2\n    # 3\n\n  # past\nc: 6\n",
           "a: >-\n  x",
           "a: 80 GiB\nb: ../c/d.yaml\ne: 1e6\nf.g-h/i: true\n1: 2\n",
           "# caf\xC3\xA9\na: 1\n",
           "a: b\n\n\n",
       }) {
    CAPTURE(text);
    CHECK(plain(text) != "");
    CHECK(plain(text) == any(text));
  }
}

TEST_CASE("what is more than plain is left to yaml-cpp") {
  for (const std::string text : {"",
                                 "x",
                                 "- a\n",
                                 "{a: 1}\n",
                                 "--- \na: 1\n",
                                 "a: 1\n...\n",
                                 "a: 1\n---\nb: 2\n",
                                 "a: 1\na: 2\n",
                                 "a: {b: 1, b: 2}\n",
                                 "a:\n",
                                 "a: ~\n",
                                 "a: null\n",
                                 "null: 1\n",
                                 "a: [1, ]\n",
                                 "a: [, 1]\n",
                                 "a: {b}\n",
                                 "a: {b: }\n",
                                 "a: [b: 1]\n",
                                 "a: [1 2\n 3]\n",
                                 "a: &x 1\nb: *x\n",
                                 "a: !t 1\n",
                                 "a: |\n  x\n",
                                 "a: >\n  x\n",
                                 "a: >-\n",
                                 "a: >-\n  x \n",
                                 "a: >-\n  x\n\n  y\n",
                                 "a: >-\n  x\n   y\n",
                                 "a: >-\nb: 1\n",
                                 "a: b\n  c\n",
                                 "a: b: c\n",
                                 "a: 'it''s'\n",
                                 "a: \"\\n\"\n",
                                 "a: \"x\n y\"\n",
                                 "a: \"x\"y\n",
                                 "a: 'x\n",
                                 "\"a\": 1\n",
                                 "? a\n: 1\n",
                                 "a : 1\n",
                                 "a:1\n",
                                 "a: 1\n b: 2\n",
                                 "  a: 1\nb: 2\n",
                                 "a:\n   b: 1\n  c: 2\n",
                                 "a:\n  - b\n c: 1\n",
                                 "a:\n  - b\n  c: 1\n",
                                 "a:\t1\n",
                                 "a: 1\r\nb: 2\r\n",
                                 "a: 1 \x04\n",
                                 "# \x04\na: 1\n",
                                 "a: - 1\n",
                                 "a:\n  - - 1\n",
                                 "a:\n  -\n    b\n",
                                 "a: \"x\"# y\n",
                                 "a: [1,\n2]\n",
                                 "a: x\xC3\xA9\n",
                                 "a: \"\xC3\xA9\"\n",
                                 "a: @b\n",
                                 "a: %b\n",
                                 "a: {b: c:d}\n",
                                 "a: [\n",
                                 "a: {b\n",
                                 "a: [1}\n",
                                 "a: ]\n",
                                 "a: 'x' y\n",
                                 "<<: {a: 1}\n"}) {
    CAPTURE(text);
    CHECK(plain(text) == "");
  }
  std::string many, deep = "a: ";
  for (int i = 0; i < 257; ++i) many += "k" + std::to_string(i) + ": 1\n";
  CHECK(plain(many) == "");
  deep += std::string(60, '[') + std::string(60, ']');
  CHECK(plain(deep) == "");
}

TEST_CASE("the files that ship are read quickly, and as by yaml-cpp") {
  for (const auto& entry : std::filesystem::recursive_directory_iterator("configs")) {
    if (entry.path().extension() != ".yaml") continue;
    CAPTURE(entry.path().string());
    const std::string text = read_text(entry.path(), std::size_t{64} << 20);
    CHECK(plain(text) != "");
    CHECK(plain(text) == any(text));
  }
}
