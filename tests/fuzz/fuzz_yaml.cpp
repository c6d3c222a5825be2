#include "sim/io/yaml_reader.h"
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

// The first line may be "#set PATH VALUE", as on a command line.
void yaml(Input input) {
  std::string_view text = text_of(input);
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
