// moesim predict, validate table, calibrate fit, calibrate import: one a file, named like it.
#pragma once

#include <filesystem>
#include <vector>

#include "hardware/device.h"
#include "tools/moesim/command.h"

namespace moesim::tools {

Command predict_command();
Command validate_table_command();
Command validate_cases_command();
Command calibrate_fit_command();

// All of them, in the order of the help.
std::vector<Command> cost_commands();

// What `calibrate import --from TOOL` does for the logs and tables of other tools: the table as
// CSV.
std::vector<Option> log_import_options();
std::string import_log(const Arguments& arguments, const std::string& file,
                       std::vector<std::string>& notes);
// Throws ConfigError for an option that is of another TOOL's output than --from says.
void refuse_what_does_not_apply(const Arguments& arguments);

// The options that several of them have.
Option device_option();
Option implementation_option();
Option kind_argument();

// A device by its file or by its name in configs/devices ("h200"). Throws ConfigError with the
// option that names it, and the names there are.
hardware::Device find_device(const std::string& name, const char* option = "--device");
// The file that the name stands for.
std::filesystem::path find_device_file(const std::string& name, const char* option = "--device");

}  // namespace moesim::tools
