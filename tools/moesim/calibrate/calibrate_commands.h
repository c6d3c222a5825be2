// moesim calibrate plan, run and import; and what run is made of.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/moesim/command.h"
#include "validation/calibrate/plan.h"

namespace moesim::tools {

std::vector<Command> calibrate_commands();
Command calibrate_plan_command();
Command calibrate_run_command();
Command calibrate_import_command();

// The plan that is made where no model is named: eight well-known mixtures, one of which judges.
validation::PlanOptions standard_plan();

// The program that measures: `named` if it is given, else moesim-gpu beside this program, in the
// build tree around it, or on the PATH. Nothing where there is none. Throws ConfigError for a name
// that is no program's.
std::optional<std::filesystem::path> find_gpu_program(const std::optional<std::string>& named);

// Starts a program without a shell and hands each line that it writes (to either stream) to `line`,
// until it ends. Returns its exit code (128 + n for signal n). Throws ConfigError where it cannot
// be started.
int run_program(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                const std::function<void(const std::string&)>& line);

}  // namespace moesim::tools
