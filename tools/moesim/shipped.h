// Finds what ships with the program: configs/models/NAME.yaml and the like.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "workloads/deployment/read.h"

namespace moesim::tools {

// The first folder KIND ("models", "scenarios") of config_places(). Empty where there is none.
std::filesystem::path shipped_folder(const std::string& kind);

// What may be named: NAME -> KIND/NAME.yaml (of traces .h5), of the first of config_places() that
// has it.
std::map<std::string, std::filesystem::path> named_files(const std::string& kind);

// `text` where that is a file ("-" for a scenario is standard input); else what is called so in
// named_files(), whatever the case of its letters, which may also be called configs/KIND/TEXT.yaml;
// of a model else the file that has TEXT among its aliases ("Qwen/Qwen3-32B"), else the hub's
// checkpoint (hub_folder.h). Throws ConfigError that names the closest ones.
std::filesystem::path find_config(const std::string& kind, const std::string& text);

// The same of names alone, whatever files are where the program runs.
std::filesystem::path find_shipped(const std::string& kind, const std::string& text);

// What a scenario may name.
workloads::Shipped shipped();

}  // namespace moesim::tools
