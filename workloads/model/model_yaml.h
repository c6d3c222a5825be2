// Model files of ours (configs/models/*.yaml); the keys are listed in workloads/model/README.md.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// Throw ConfigError that lists every mistake of the file, InputError where it cannot be read.
ModelSpec load_model_yaml(const std::filesystem::path& file);
ModelSpec parse_model_yaml(std::string_view text, const std::string& name);

}  // namespace moesim::workloads
