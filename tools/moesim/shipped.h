// Finds what ships with the program: configs/models/NAME.yaml and the like.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

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

// Assignments of a command line (--set) with files in place of names: "cluster=h200-1x8" where
// there is no file of that name here. Throws ConfigError as find_config does.
std::vector<std::string> with_files(std::vector<std::string> assignments);

// What a scenario may name.
workloads::Shipped shipped();

}  // namespace moesim::tools
