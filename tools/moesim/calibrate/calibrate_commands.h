// moesim calibrate plan and calibrate run: what to measure on a GPU, and measuring it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/moesim/command.h"

namespace moesim::tools {

std::vector<Command> calibrate_commands();

// The program that measures: `named` if it is given, else moesim-gpu beside this program, in the
// build tree around it, or on the PATH. Nothing where there is none.
std::optional<std::filesystem::path> find_gpu_program(const std::optional<std::string>& named);

// Starts a program without a shell and waits. Returns its exit code (128 + n for signal n). Throws
// ConfigError where it cannot be started.
int run_program(const std::filesystem::path& program, const std::vector<std::string>& arguments);

}  // namespace moesim::tools
