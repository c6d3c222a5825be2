#include "tools/moesim/command.h"
#include "tools/moesim/trace/trace_commands.h"

namespace moesim::tools {

// One a file, named like it: Command run_command(); in run.cpp.

const std::vector<Command>& commands() {
  static const std::vector<Command> all = trace_commands();
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
