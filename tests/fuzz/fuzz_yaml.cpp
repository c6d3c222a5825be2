#include "sim/check.h"
#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "sim/io/yaml_value.h"
#include "tests/fuzz/target.h"

namespace moesim::fuzz {
namespace {

using sim::io::YamlDocument;
using sim::io::YamlNode;

// Reads each value as everything that it may be. Aliases may unfold to a million values; a reader
// of a configuration looks at some.
void walk(const YamlNode& node, std::size_t& budget) {
  if (budget == 0) return;
  --budget;
  node.text();
  node.boolean();
  node.integer(1, 64);
  node.number();
  node.bytes();
  node.duration();
  node.bandwidth();
  node.flop_rate();
  node.one_of({"zipf", "uniform"});
  node.file();
  node.where();
  node.origin();
  node.allow_only({"name", "memory", "step"});
  node.at("name").at("x").integer();
  node.find("memory");
  for (const auto& [key, value] : node.entries()) walk(value, budget);
  for (const YamlNode& item : node.items()) walk(item, budget);
}

}  // namespace

// What the quick reader of plain texts takes, yaml-cpp reads without a mistake, and the same.
void compare(const YamlNode::Value& quick, const YamlNode::Value& all) {
  const bool same = quick.kind == all.kind && quick.text == all.text && quick.mark == all.mark &&
                    quick.items.size() == all.items.size() &&
                    quick.entries.size() == all.entries.size();
  SIM_CHECK(same, "a plain text is read as by yaml-cpp");
  for (std::size_t i = 0; i < quick.items.size(); ++i) compare(*quick.items[i], *all.items[i]);
  for (std::size_t i = 0; i < quick.entries.size(); ++i) {
    SIM_CHECK(
        quick.entries[i].key == all.entries[i].key && quick.entries[i].mark == all.entries[i].mark,
        "a key is read as by yaml-cpp");
    compare(*quick.entries[i].value, *all.entries[i].value);
  }
}

void read_twice(std::string_view text) {
  const sim::io::YamlSource source{"x.yaml"};
  YamlDocument::Contents contents;
  contents.sources.push_back(source);
  const YamlNode::Value* quick = sim::io::build_plain_yaml(text, &source, contents);
  if (quick == nullptr) return;
  const YamlNode::Value* all = nullptr;
  try {
    all = sim::io::build_any_yaml(text, &source, contents);
  } catch (const sim::ConfigError&) {
    // That there is nothing is told next.
  }
  SIM_CHECK(all != nullptr, "what is plain YAML is YAML");
  compare(*quick, *all);
  SIM_CHECK(contents.mistakes.empty(), "a plain text has no mistake");
}

// The first line may be "#set PATH VALUE", as on a command line.
void yaml(Input input) {
  std::string_view text = text_of(input);
  read_twice(text);
  taken(
      [&] {
        YamlDocument document = YamlDocument::parse(text, "x.yaml");
        if (text.starts_with("#set ")) {
          const std::string_view line = text.substr(5, text.find('\n') - 5);
          const std::size_t space = line.find(' ');
          if (space != std::string_view::npos) {
            document.set(line.substr(0, space), line.substr(space + 1), "--set of x.yaml");
          }
        }
        std::size_t budget = 300;
        walk(document.root(), budget);
        document.throw_errors();
      },
      "x.yaml");
}

}  // namespace moesim::fuzz
