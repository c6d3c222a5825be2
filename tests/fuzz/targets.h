// The list of what is fuzzed; CMakeLists.txt has the same names.
#pragma once

#include "tests/fuzz/target.h"

namespace moesim::fuzz {

inline constexpr Target kTargets[] = {
    {"yaml", yaml},     {"json", json},
    {"csv", csv},       {"hdf5", hdf5},
    {"device", device}, {"cluster", cluster},
    {"model", model},   {"hugging_face", hugging_face},
    {"trace", trace},   {"scenario", scenario},
    {"study", study},   {"expression", expression},
    {"store", store},   {"importers", importers},
    {"logs", logs},     {"requests", requests},
    {"engine", engine}, {"memory", memory},
    {"tables", tables},
};

}  // namespace moesim::fuzz
