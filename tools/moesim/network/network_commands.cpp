#include "tools/moesim/network/network_commands.h"

#include <fmt/format.h>

namespace moesim::tools {

std::vector<Command> network_commands() {
  return {exchange_command(), topology_command(), topology_import_command()};
}

std::vector<sim::io::YamlOverride> overrides_of(const Arguments& arguments) {
  std::vector<sim::io::YamlOverride> result;
  for (const std::string& text : arguments.all("set")) {
    const auto equals = text.find('=');
    if (equals == std::string::npos) {
      throw sim::ConfigError(
          fmt::format("--set: expected PATH=VALUE, such as nodes=4, not \"{}\"", text));
    }
    result.push_back({.path = text.substr(0, equals), .value = text.substr(equals + 1)});
  }
  return result;
}

Option set_option() {
  return {.name = "--set",
          .value = "PATH=VALUE",
          .help = "a value of the cluster's file to set before it is read",
          .repeated = true};
}

}  // namespace moesim::tools
