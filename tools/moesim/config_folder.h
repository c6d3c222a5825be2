// Where the configurations that ship with the program are.
#pragma once

#include <filesystem>
#include <optional>

namespace moesim::tools {

// The folder that holds devices/, clusters/, models/, …: share/moesim/configs beside an installed
// program, configs/ of the source tree above one that was just built. Nothing where there is none.
std::optional<std::filesystem::path> config_folder();

// The folder of this program; empty where the system does not say.
std::filesystem::path program_folder();

}  // namespace moesim::tools
