// What a shell needs to complete moesim's command lines, and the manual page: both made from the
// table of commands.
#pragma once

#include <span>
#include <string>

#include "tools/moesim/command.h"

namespace moesim::tools {

std::string bash_completion(std::span<const Command> commands);
std::string zsh_completion(std::span<const Command> commands);
std::string fish_completion(std::span<const Command> commands);

// moesim(1) as roff.
std::string man_page(std::span<const Command> commands, const std::string& version);

Command completion_command();
Command man_command();

}  // namespace moesim::tools
