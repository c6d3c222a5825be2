// Finds what ships with the program: configs/models/NAME.yaml and the like.
#pragma once

#include <filesystem>
#include <string>

#include "workloads/deployment/read.h"

namespace moesim::tools {

// The folder configs/KIND ("models", "scenarios") of the working directory, else of
// config_folder(). Empty where there is none.
std::filesystem::path shipped_folder(const std::string& kind);

// `text` where that is a file ("-" for a scenario is standard input); else, of what ships and of
// the user's own (own_config_folder()), TEXT.yaml, whatever the case of its letters, which may also
// be called configs/KIND/TEXT.yaml; of a model else the file that has TEXT among its aliases
// ("Qwen/Qwen3-32B"). Throws ConfigError that names the closest ones that ship.
std::filesystem::path find_config(const std::string& kind, const std::string& text);

// The same of names alone, whatever files are where the program runs.
std::filesystem::path find_shipped(const std::string& kind, const std::string& text);

// What a scenario may name.
workloads::Shipped shipped();

}  // namespace moesim::tools
