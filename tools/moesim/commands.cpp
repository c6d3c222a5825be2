#include "tools/moesim/command.h"
#include "tools/moesim/trace/trace_commands.h"

namespace moesim::tools {

// One a file, named like it.
Command run_command();
Command config_command();

const std::vector<Command>& commands() {
  static const std::vector<Command> all = [] {
    std::vector<Command> list{run_command(), config_command()};
    const auto add = [&](const std::vector<Command>& more) {
      list.insert(list.end(), more.begin(), more.end());
    };
    add(trace_commands());
    return list;
  }();
  return all;
}

Option format_option() {
  return {.name = "--format",
          .value = "FORMAT",
          .help = "how the result is printed",
          .fallback = "text",
          .choices = {"text", "json"}};
}

}  // namespace moesim::tools
