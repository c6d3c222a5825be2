// What `moesim calibrate fit` writes: fits beside those that a file has, and how they were made.
#pragma once

#include <string>
#include <vector>

#include "hardware/device.h"
#include "tools/moesim/command.h"

namespace moesim::tools {

// The command as it stands at the top of the file: names without folders.
std::string fit_command_line(const Arguments& arguments);

// What the fits say of the links, for people: the same numbers are in the models below it.
std::string link_constants(const std::vector<hardware::FittedModel>& models,
                           const hardware::Device& device);

// `what` becomes the first line, and `command` goes below those that the file has.
void write_models(const std::string& file, const std::vector<hardware::FittedModel>& fresh,
                  bool replace, const std::string& what, const std::string& command);

}  // namespace moesim::tools
