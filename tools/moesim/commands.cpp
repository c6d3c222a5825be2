#include <fmt/format.h>

#include <ostream>

#include "sim/io/atomic_file.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/calibrate/calibrate_commands.h"
#include "tools/moesim/calibrate/cost_commands.h"
#include "tools/moesim/card/card.h"
#include "tools/moesim/command.h"
#include "tools/moesim/completion.h"
#include "tools/moesim/doctor.h"
#include "tools/moesim/network/network_commands.h"
#include "tools/moesim/placement/placement_command.h"
#include "tools/moesim/serving/serving_commands.h"
#include "tools/moesim/sweep/sweep_commands.h"
#include "tools/moesim/trace/trace_commands.h"

namespace moesim::tools {

// One a file, named like it.
Command run_command();
Command report_command();
Command config_command();
Command init_command();
Command compare_command();
Command list_command();
Command plan_command();

namespace {

std::vector<Command> all_commands() {
  std::vector<Command> all;
  const auto add = [&](std::vector<Command> more) {
    for (Command& command : more) all.push_back(std::move(command));
  };
  add({run_command(), init_command(), list_command(), report_command()});
  add({config_command()});
  add({plan_command(), capacity_command(), requests_info_command(), compare_command()});
  add(sweep_commands());
  add({card_command(), memory_command()});
  add(network_commands());
  add(trace_commands());
  add({placement_command()});
  add(cost_commands());
  add({validate_serving_command()});
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

std::string wrong_command(const std::vector<Command>& commands,
                          const std::vector<std::string>& words) {
  std::string typed;
  for (const std::string& word : words) {
    const std::string before = typed;
    typed += (typed.empty() ? "" : " ") + word;
    std::vector<std::string_view> known;  // that go on from the words before
    bool goes_on = false;
    for (const Command& command : commands) {
      if (command.name == typed) return {};
      goes_on = goes_on || command.name.rfind(typed + " ", 0) == 0;
      if (command.name.rfind(before, 0) == 0) known.push_back(command.name);
    }
    if (goes_on) continue;
    const std::string meant = sim::io::did_you_mean(typed, known);
    return fmt::format("there is no command \"{}\"{}", typed,
                       meant.empty() ? "" : "; did you mean \"" + meant + "\"?");
  }
  return {};
}

void write_result(const Arguments& arguments, const std::string& text, const Console& console,
                  const char* option) {
  if (const auto output = arguments.find(option); output && *output != "-")
    sim::io::write_file(*output, text);
  else
    console.out << text;
}

Option format_option() {
  return {.name = "--format",
          .value = "FORMAT",
          .help = "how the result is printed",
          .fallback = "text",
          .choices = {"text", "json"}};
}

}  // namespace moesim::tools
