// The list of checks: every kernel, on sizes for the emulator or for a GPU.
#pragma once

#include <functional>
#include <vector>

#include "validation/cuda/protocol/checks.h"

namespace moesim::validation::cuda {

enum class SelftestSize { Emulated, Full };

// Calls `report` after each check. Returns whether all passed (skipped ones do not count against
// it).
bool selftest(Machine& machine, SelftestSize size, std::uint64_t seed,
              const std::function<void(const Check&)>& report);

}  // namespace moesim::validation::cuda
