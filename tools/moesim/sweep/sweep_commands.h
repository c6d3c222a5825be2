#pragma once

#include <vector>

#include "tools/moesim/command.h"

namespace moesim::tools {

// sweep, and sweep show, export, merge, find, script: one a file.
std::vector<Command> sweep_commands();

Command sweep_command();
Command sweep_show_command();
Command sweep_export_command();
Command sweep_merge_command();
Command sweep_find_command();
Command sweep_script_command();

}  // namespace moesim::tools
