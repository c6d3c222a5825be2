// Where the configurations that ship with the program are.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

namespace moesim::tools {

// The folder that holds devices/, clusters/, models/, …: share/moesim/configs beside an installed
// program, configs/ of the source tree above one that was just built. Nothing where there is none.
std::optional<std::filesystem::path> config_folder();

// The folder of this program, or of the library that it is (Python's module); empty where the
// system does not say.
std::filesystem::path program_folder();

// The user's own configurations, that calibrate run adds to: the first of $MOESIM_CONFIGS, else
// $XDG_DATA_HOME/moesim/configs, else ~/.local/share/moesim/configs. Empty where none of the three
// is set. It need not exist.
std::filesystem::path own_config_folder();

// Where configurations are looked for, first to last: configs/ of the working directory, every
// folder of $MOESIM_CONFIGS (a list, with ':'), moesim/ of $XDG_CONFIG_HOME (~/.config),
// own_config_folder(), config_folder(). They need not exist.
std::vector<std::filesystem::path> config_places();

}  // namespace moesim::tools
