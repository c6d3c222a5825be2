// What a shell needs to complete moesim's command lines, and the manual page: both made from the
// table of commands.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "tools/moesim/command.h"

namespace moesim::tools {

std::string bash_completion(std::span<const Command> commands);
std::string zsh_completion(std::span<const Command> commands);
std::string fish_completion(std::span<const Command> commands);

// What an option's value, or a positional, names: kinds of `moesim list`, by spaces ("clusters
// devices"); empty where it names nothing that is listed.
std::string named_kinds(const Option& option);

// What a manual page says of a program, beside its commands.
struct ManualPage {
  std::string program = "moesim";
  std::string summary = "simulate Mixture-of-Experts models on clusters";
  std::string description =
      "A discrete-event simulator of Mixture-of-Experts cluster performance. Real routing traces "
      "go "
      "in,\nevery byte of an exchange meets real links, and every number that comes out says how "
      "far it can be\ntrusted. Results go to standard output, progress and warnings to standard "
      "error.";
};

// moesim(1), or another program's, as roff.
std::string man_page(std::span<const Command> commands, const std::string& version,
                     const ManualPage& page = {});

// Of one command: moesim-run(1).
std::string man_page(const Command& command, const std::string& version,
                     const ManualPage& page = {});

Command completion_command();

Command man_command();
// Of another program, with its commands, which it may be one of.
Command man_command(std::function<std::span<const Command>()> commands, const ManualPage& page);

}  // namespace moesim::tools
