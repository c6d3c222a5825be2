// The list of what is fuzzed; CMakeLists.txt has the same names.
#pragma once

#include "tests/fuzz/target.h"

namespace moesim::fuzz {

inline constexpr Target kTargets[] = {
    {"yaml", yaml},
    {"json", json},
    {"csv", csv},
    {"hdf5", hdf5},
};

}  // namespace moesim::fuzz
