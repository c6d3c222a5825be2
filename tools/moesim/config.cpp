#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/io/yaml_reader.h"
#include "tools/moesim/command.h"
#include "workloads/scenario.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using sim::io::YamlNode;

// Where a value of the resolved scenario comes from: the document's node of that name, if any.
std::string origin_of(const std::optional<YamlNode>& node) {
  return node ? node->origin() : "default";
}

std::optional<YamlNode> child(const std::optional<YamlNode>& node, const std::string& key) {
  if (!node || !node->is_map()) return {};
  return node->find(key);
}

// One line a value: "step.context: 4096    # x.yaml:13".
void print(const Json& value, const std::string& path, const std::optional<YamlNode>& node,
           std::ostream& out) {
  if (value.is_object()) {
    for (const auto& [key, part] : value.items()) {
      print(part, path.empty() ? key : path + "." + key, child(node, key), out);
    }
    return;
  }
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  out << fmt::format("{:<60} # {}\n", fmt::format("{}: {}", path, text), origin_of(node));
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  sim::io::YamlDocument document =
      workloads::open_scenario(arguments.text("SCENARIO"), arguments.all("set"));
  const Json json = resolved(workloads::read_scenario(document));
  if (arguments.json()) {
    console.out << sim::io::to_text(json);
  } else {
    print(json, "", document.root(), console.out);
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command config_command() {
  return {.name = "config",
          .summary = "prints a scenario as it will be used, and where each value comes from",
          .description = "",
          .options = {{.name = "SCENARIO",
                       .help = "the scenario, a YAML file",
                       .required = true,
                       .is_file = true},
                      {.name = "--set",
                       .value = "KEY=VALUE",
                       .help = "replace a value of the scenario; may be given more than once",
                       .repeated = true},
                      format_option()},
          .examples = {"moesim config SCENARIO --set network=bound"},
          .run = run};
}

}  // namespace moesim::tools
