// check_model() for readers of files.
#pragma once

#include <string>

#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// Throws ConfigError, a line a mistake, each of which begins with the file.
void check_model_of(const ModelSpec& model, const std::string& file);

}  // namespace moesim::workloads
