#pragma once

#include <functional>
#include <vector>

#include "tools/moesim/command.h"
#include "tools/study/executor.h"

namespace moesim::tools {

// sweep, and sweep show, export, merge, find, sensitivity, script: one a file.
std::vector<Command> sweep_commands();

Command sweep_command();
// With others who play its points, in place of --jobs.
struct Crew {
  std::function<unsigned()> size;  // of those who play; may throw Error
  decltype(SweepOptions::play) play;
};
Command sweep_command(const Crew& crew);
Command sweep_show_command();
Command sweep_export_command();
Command sweep_merge_command();
Command sweep_find_command();
Command sweep_sensitivity_command();
Command sweep_script_command();

}  // namespace moesim::tools
