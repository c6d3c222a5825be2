// A program: parses the command line, calls a command, prints, returns an exit code.
#pragma once

#include <string>
#include <vector>

#include "tools/moesim/command.h"

namespace moesim::tools {

struct Program {
  std::string name;         // "moesim"
  std::string description;  // a sentence, for --help
  const std::vector<Command>& commands;
};

// All that main() does, once: takes signals, guards calls of HDF5, catches what is thrown.
int run_program(const Program& program, int argc, char** argv);

}  // namespace moesim::tools
