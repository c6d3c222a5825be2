// `moesim sweep sensitivity` of a store: nothing is run.
#pragma once

#include <filesystem>

#include "tools/moesim/command.h"

namespace moesim::tools {

// The parts of a store's axes in what its points came to (grid_variance.h). Throws ConfigError
// where its grid is not whole, or options ask for points of their own.
sim::ExitCode store_sensitivity(const std::filesystem::path& file, const Arguments& arguments,
                                const Console& console);

}  // namespace moesim::tools
