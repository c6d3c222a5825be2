#include "tools/moesim/calibrate/calibrate_commands.h"
#include "tools/moesim/card/card.h"
#include "tools/moesim/command.h"
#include "tools/moesim/completion.h"
#include "tools/moesim/cost/cost_commands.h"
#include "tools/moesim/doctor.h"
#include "tools/moesim/network/network_commands.h"
#include "tools/moesim/placement/placement_command.h"
#include "tools/moesim/trace/trace_commands.h"

namespace moesim::tools {

// One a file, named like it.
Command run_command();
Command config_command();

namespace {

std::vector<Command> all_commands() {
  std::vector<Command> all;
  const auto add = [&](std::vector<Command> more) {
    for (Command& command : more) all.push_back(std::move(command));
  };
  add({run_command()});
  add({config_command()});
  add({card_command(), memory_command()});
  add(network_commands());
  add(trace_commands());
  add({placement_command()});
  add(cost_commands());
  add(calibrate_commands());
  add({doctor_command()});
  add({completion_command()});
  add({man_command()});
  return all;
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> all = all_commands();
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
