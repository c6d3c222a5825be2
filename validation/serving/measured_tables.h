// Tables of measured engines, whichever they are: told apart by their columns.
#pragma once

#include <filesystem>
#include <vector>

#include "validation/serving/e2e_rows.h"

namespace moesim::validation {

// Throws InputError as their readers do, and where tables of two kinds are given.
E2eRows read_measured(const std::vector<std::filesystem::path>& files);

}  // namespace moesim::validation
